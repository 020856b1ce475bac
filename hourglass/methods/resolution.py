"""The whole model at a lower resolution: what every reader compares with first."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from hourglass.methods import Settings
from hourglass.methods.settings import check_names, integer, number

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ResolutionPlan:
    """One operating point.

    Attributes:
        scale: Factor on both sides of the image, between 0 and 1.
        multiple: The sides of the smaller image are the nearest multiples of this number of pixels, as patches and
            windows need it.

    Raises:
        ValueError: In one line that names the field, if a value is out of range.
    """

    scale: float
    multiple: int = 16

    def __post_init__(self) -> None:
        number("scale", self.scale, below=1)
        integer("multiple", self.multiple, least=1)


class _Resolution:
    """Its settings are the fields of `ResolutionPlan`."""

    def resolve(self, settings: Settings) -> dict[str, Any]:
        return asdict(_plan(settings))

    def apply(self, model: nn.Module, settings: Settings) -> nn.Module:
        from hourglass.methods.patching import refuse_patched
        from hourglass.methods.shrinking import Shrinking

        plan = _plan(settings)
        refuse_patched(model, Shrinking, "images are made smaller")
        Shrinking(model, plan.scale, plan.multiple)
        return model

    def remove(self, model: nn.Module) -> nn.Module:
        from hourglass.acceleration.patch import remove_patches
        from hourglass.methods.shrinking import Shrinking

        return remove_patches(model, Shrinking, " by this method")


def _plan(settings: Settings) -> ResolutionPlan:
    check_names(settings, [field.name for field in fields(ResolutionPlan)], needed=["scale"])
    return ResolutionPlan(**settings)


RESOLUTION = _Resolution()
