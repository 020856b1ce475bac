"""The untouched model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hourglass.methods import Settings

if TYPE_CHECKING:
    from torch import nn


class _Baseline:
    """Does nothing, so that nothing is a method like every other."""

    def resolve(self, settings: Settings) -> dict[str, Any]:
        if settings:
            raise ValueError(f"has no setting '{next(iter(settings))}'; it leaves the model as it is")
        return {}

    def apply(self, model: nn.Module, settings: Settings) -> nn.Module:
        self.resolve(settings)
        return model

    def remove(self, model: nn.Module) -> nn.Module:
        return model


BASELINE = _Baseline()
