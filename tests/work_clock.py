"""A clock on which time passes with the work that is done, so that what is measured is the same on every machine."""

from __future__ import annotations

from typing import Any

from torch import nn


class WorkClock:
    """Counts the multiply-accumulates of linear layers, in millions: what of a transformer's cost depends on tokens."""

    def __init__(self, model: nn.Module | None = None) -> None:
        self.now = 0.0
        if model is not None:
            self.watch(model)

    def watch(self, model: nn.Module) -> None:
        """Lets time pass whenever the model works."""
        for module in model.modules():
            if isinstance(module, nn.Linear):
                module.register_forward_hook(self._tick)

    def _tick(self, module: Any, args: Any, output: Any) -> None:
        self.now += output.numel() * module.in_features / 1e6

    def __call__(self) -> float:
        return self.now
