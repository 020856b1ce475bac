"""Average pooling with bilinear rebuilding: the plainest way to run the deep blocks on fewer tokens.

It clusters where the hourglass does, and by its grid alone: the centers are what the hourglass begins with, the means
of cells, and the way back is what resizes any map.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from hourglass.acceleration.plan import Plan
from hourglass.methods import Settings
from hourglass.methods.settings import check_names, flag

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class PoolingPlan:
    """One operating point.

    Attributes:
        start: Transformer blocks that run on all tokens, as of `Plan`.
        clusters: Rows and columns that tokens are pooled to: of the whole image in a plain ViT, of each attention
            window in a windowed one.
        residual: Whether tokens stay what they were and take over only what the deep blocks changed in the pooled
            ones, as in the residual form of the hourglass. Else what is rebuilt takes their place.

    Raises:
        ValueError: In one line that names the field, if a value is out of range.
    """

    start: int
    clusters: tuple[int, int]
    residual: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "clusters", Plan(self.start, self.clusters).clusters)
        flag("residual", self.residual)


class _AveragePooling:
    """Its settings are the fields of `PoolingPlan`."""

    def resolve(self, settings: Settings) -> dict[str, Any]:
        plan = asdict(_plan(settings))
        return {**plan, "clusters": list(plan["clusters"])}

    def apply(self, model: nn.Module, settings: Settings) -> nn.Module:
        from hourglass.methods.patching import refuse_patched
        from hourglass.methods.pooling import Pooling, pool_tokens

        plan = _plan(settings)
        refuse_patched(model, Pooling, "tokens are pooled")
        return pool_tokens(model, Plan(plan.start, plan.clusters), residual=plan.residual)

    def remove(self, model: nn.Module) -> nn.Module:
        from hourglass.acceleration.patch import remove_patches
        from hourglass.methods.pooling import Pooling

        return remove_patches(model, Pooling, " by this method")


def _plan(settings: Settings) -> PoolingPlan:
    check_names(settings, [field.name for field in fields(PoolingPlan)], needed=["start", "clusters"])
    return PoolingPlan(**settings)


AVERAGE_POOLING = _AveragePooling()
