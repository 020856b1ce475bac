"""The models that every check of this folder runs through. A class is added by one line in a zoo."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from hourglass import Plan

from ..plain.conftest import ZOO
from ..windowed.conftest import ENTRIES
from .models import LANGUAGE, PLAIN, WINDOWS


@dataclass(frozen=True)
class Case:
    """A model, the plan to try on it, and the finest clusters that it takes.

    Attributes:
        entry: How to build the model and its images.
        start: Blocks before the clustering.
        clusters: Fewer than there are tokens.
        finest: As many as there are tokens, in the image or in a window.
        parts: Grids of an image that stay apart in the batch, before and in the deep blocks.
    """

    entry: Any
    start: int
    clusters: tuple[int, int]
    finest: tuple[int, int]
    parts: tuple[int, int] = (1, 1)

    @property
    def name(self) -> str:
        return str(self.entry.name)

    def model(self) -> nn.Module:
        """As if it had just been built, which takes several times as long."""
        torch.manual_seed(0)
        return copy.deepcopy(_untouched(self.name))

    def images(self, batch: int = 2) -> Tensor:
        images: Tensor = self.entry.images(batch)
        return images

    def run(self, model: nn.Module, images: Tensor) -> list[Tensor]:
        outputs: list[Tensor] = self.entry.run(model, images)
        return outputs

    def train(self, model: nn.Module, images: Tensor) -> dict[str, Tensor]:
        """Gradients of all parameters, of a loss that looks at every output."""
        torch.manual_seed(0)  # drop path
        outputs = tensors(model(images, **self.entry.call))
        sum((output.float().square().mean() for output in outputs), torch.zeros(())).backward()
        return {name: value.grad for name, value in model.named_parameters() if value.grad is not None}

    def plan(self, **changes: Any) -> Plan:
        return Plan(**{"start": self.start, "clusters": self.clusters, **changes})

    def limit(self) -> Plan:
        """Clusters as fine as the tokens, each token its own: the model as it was."""
        return Plan(self.start, self.finest, sharpness=1e6)


@cache
def _untouched(name: str) -> nn.Module:
    """A model that nothing has run, and nothing may change."""
    model: nn.Module = BY_NAME[name].entry.model()
    return model


def tensors(output: Any) -> list[Tensor]:
    """All floating point tensors in a model's output, in order."""
    if isinstance(output, Tensor):
        return [output] if output.is_floating_point() else []
    items = output.values() if isinstance(output, dict) else output if isinstance(output, tuple | list) else ()
    return [tensor for item in items for tensor in tensors(item)]


CASES = [
    *(
        Case(entry, getattr(entry, "start", 1), (3, 4), entry.grid, getattr(entry, "parts", (1, 1)))
        for entry in [*ZOO, *LANGUAGE, *PLAIN]
    ),
    *(Case(entry, 3, (2, 2), (4, 4)) for entry in [*ENTRIES, *WINDOWS]),
]
BY_NAME = {case.name: case for case in CASES}
