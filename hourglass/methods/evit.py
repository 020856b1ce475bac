"""EViT as the hourglass's authors compare with it: some blocks keep the tokens that the class token attends to.

Liang et al., ICLR 2022 (arXiv 2202.07800). The dropped tokens come back by reconstruction after the last norm, or where
tokens are tapped (Expedit-Segmenter ``mmseg/models/backbones/evit.py``, Expedit-DPT ``dpt/evit.py``; there only for the
first image of a batch, here for all of them).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from hourglass.methods import Settings
from hourglass.methods.settings import check_names, integer, number

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class EvitPlan:
    """One operating point.

    Attributes:
        keep_rate: Share of the tokens behind the class token that a dropping block keeps.
        blocks: That drop, counted from 0.
        neighbors: Kept tokens that a dropped one is reconstructed from.
        temperature: Of the reconstruction.

    Raises:
        ValueError: In one line that names the field, if a value is out of range.
    """

    keep_rate: float
    blocks: Sequence[int]
    neighbors: int
    temperature: float

    def __post_init__(self) -> None:
        number("keep_rate", self.keep_rate, below=1)
        if not isinstance(self.blocks, list | tuple) or not self.blocks:
            raise ValueError(f"blocks must be a list of at least one, got {self.blocks!r}")
        for block in self.blocks:
            integer("blocks", block, least=0)
        integer("neighbors", self.neighbors, least=1)
        number("temperature", self.temperature)


class _EViT:
    """Its settings are the fields of `EvitPlan`."""

    def resolve(self, settings: Settings) -> dict[str, Any]:
        plan = asdict(_plan(settings))
        return {**plan, "blocks": list(plan["blocks"])}

    def apply(self, model: nn.Module, settings: Settings) -> nn.Module:
        from hourglass.methods.dropping_blocks import SUPPORTED, DptDropping, TokenDropping, VitDropping
        from hourglass.methods.patching import DPT, VIT, find, is_a, refuse_patched

        plan = _plan(settings)
        refuse_patched(model, TokenDropping, "tokens are dropped")
        encoder = find(model, (VIT, DPT))
        if encoder is None:
            raise ValueError(f"{type(model).__name__} has no encoder that is known to it; supported: {SUPPORTED}")
        kind = VitDropping if is_a(encoder, VIT) else DptDropping
        kind(encoder, **asdict(plan))
        return model

    def remove(self, model: nn.Module) -> nn.Module:
        from hourglass.acceleration.patch import remove_patches
        from hourglass.methods.dropping_blocks import TokenDropping

        return remove_patches(model, TokenDropping, " by this method")


def _plan(settings: Settings) -> EvitPlan:
    names = [field.name for field in fields(EvitPlan)]
    check_names(settings, names, needed=names)
    return EvitPlan(**settings)


EVIT = _EViT()
