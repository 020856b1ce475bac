"""The narrow part of one forward pass, and the way out of it.

Every tensor inside the narrow part carries its `Squeeze` as an attribute. So whoever meets such a tensor can bring it
back to full resolution, two threads never share anything, and nothing outlives the tensors of its own forward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import torch
from torch import Tensor

from hourglass.acceleration.clusters import Grid, narrow
from hourglass.acceleration.plan import Plan
from hourglass.operators import ReconstructionWeights

Value = TypeVar("Value")

_MARK = "_hourglass_squeeze"
_WHOLE = "_hourglass_whole"


class Squeeze:
    """What it takes to undo the clustering of one batch of images, once or many times.

    Attributes:
        weights: From clusters to patch tokens; computed once, whatever is reconstructed.
        grid: Rows and columns of the patch tokens.
        prefix: Number of class, register and distillation tokens in front, which bypass both operators.
        plan: The operating point.
    """

    def __init__(self, weights: ReconstructionWeights, grid: Grid, prefix: int, plan: Plan) -> None:
        """See `squeeze`."""
        self.weights = weights
        self.grid = grid
        self.prefix = prefix
        self.plan = plan
        self._derived: tuple[object, object] = (None, None)

    def mark(self, tokens: Tensor) -> Tensor:
        """`tokens`, which now tell that they lie in the narrow part."""
        setattr(tokens, _MARK, self)
        return tokens

    def widen(self, tokens: Tensor) -> Tensor:
        """(B, prefix + h * w, D) -> (B, prefix + H * W, D), the prefix as it is."""
        return torch.cat([tokens[:, : self.prefix], self.weights(tokens[:, self.prefix :])], dim=1)

    def once(self, source: object, derive: Callable[[], Value]) -> Value:
        """`derive()`, called again only if `source` is another object than last time."""
        if self._derived[0] is not source:
            self._derived = source, derive()
        return cast(Value, self._derived[1])


def squeeze(tokens: Tensor, grid: Grid, prefix: int, plan: Plan) -> Tensor:
    """Clusters the patch tokens before the first narrow block.

    Args:
        tokens: (B, prefix + H * W, C), the patch tokens row by row.
        grid: (H, W).
        prefix: Number of tokens in front of the patch tokens.
        plan: The operating point; its clusters are at most as many as the patch tokens.

    Returns:
        (B, prefix + h * w, C), which carries its `Squeeze`.
    """
    centers, weights = narrow(tokens[:, prefix:], grid, plan)
    few = torch.cat([tokens[:, :prefix], centers], dim=1)
    setattr(few, _WHOLE, tokens)  # whoever records the first narrow block's input shall be handed the true one
    return Squeeze(weights, grid, prefix, plan).mark(few)


def squeeze_of(value: object) -> Squeeze | None:
    """The squeeze in which a tensor lies; None for a tensor of full resolution, and for anything else."""
    return getattr(value, _MARK, None)


def widened(value: Value) -> Value:
    """`value` with every tensor of the narrow part in it brought to full resolution, however deep it sits."""
    if (whole := getattr(value, _WHOLE, None)) is not None:
        return cast(Value, whole)
    if (way_back := squeeze_of(value)) is not None:
        return cast(Value, way_back.widen(cast(Tensor, value)))
    if isinstance(value, (tuple, list)):
        return cast(Value, type(value)([widened(item) for item in value]))
    if isinstance(value, dict):  # the outputs of transformers' models are dictionaries too
        for key, item in value.items():
            value[key] = widened(item)
    return value
