"""The narrow part of one forward pass, and the way out of it.

Every tensor inside the narrow part carries its `Squeeze` as an attribute. So whoever meets such a tensor can bring it
back to full resolution, two threads never share anything, and nothing outlives the tensors of its own forward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import torch
from torch import Tensor

from hourglass.acceleration.plan import Plan
from hourglass.operators import ReconstructionWeights, cluster, reconstruction_weights

Grid = tuple[int, int]
Value = TypeVar("Value")

_MARK = "_hourglass_squeeze"
_WHOLE = "_hourglass_whole"


class Squeeze:
    """The clusters of one batch of images, and what it takes to undo them.

    Attributes:
        grid: Rows and columns of the tokens before the clustering.
        plan: The operating point.
        prefix: Number of class, register and distillation tokens in front, which bypass both operators.
    """

    def __init__(self, tokens: Tensor, grid: Grid, prefix: int, plan: Plan) -> None:
        """Clusters patch tokens.

        Args:
            tokens: (B, H * W, C), row by row.
            grid: (H, W).
            prefix: Number of tokens that were in front of these.
            plan: The operating point.
        """
        self.grid = grid
        self.plan = plan
        self.prefix = prefix
        self._tokens = tokens
        self._centers = cluster(
            tokens,
            grid,
            plan.clusters,
            iterations=plan.iterations,
            window=plan.window,
            temperature=plan.temperature,
            semantics=plan.semantics,
        )
        self._weights: ReconstructionWeights | None = None
        self._derived: tuple[object, object] = (None, None)

    def narrow(self, tokens: Tensor) -> Tensor:
        """All tokens that go into the first narrow block: (B, prefix + H * W, C) -> (B, prefix + h * w, C)."""
        narrow = self.mark(torch.cat([tokens[:, : self.prefix], self._centers], dim=1))
        setattr(narrow, _WHOLE, tokens)  # so that who recorded the block's input is handed the true one
        return narrow

    def mark(self, tokens: Tensor) -> Tensor:
        """`tokens`, which now tell that they lie in the narrow part."""
        setattr(tokens, _MARK, self)
        return tokens

    def widen(self, tokens: Tensor) -> Tensor:
        """(B, prefix + h * w, D) -> (B, prefix + H * W, D), the prefix as it is."""
        return torch.cat([tokens[:, : self.prefix], self.rebuild(tokens[:, self.prefix :])], dim=1)

    def rebuild(self, refined: Tensor) -> Tensor:
        """(B, h * w, D) -> (B, H * W, D). The weights are computed at the first call and serve all others."""
        if self._weights is None:
            self._weights = reconstruction_weights(
                self._tokens,
                self._centers,
                neighbors=self.plan.neighbors,
                temperature=self.plan.temperature,
                semantics=self.plan.semantics,
            )
        return self._weights(refined)

    def once(self, source: object, derive: Callable[[], Value]) -> Value:
        """`derive()`, called again only if `source` is another object than last time."""
        if self._derived[0] is not source:
            self._derived = source, derive()
        return cast(Value, self._derived[1])


def squeeze_of(value: object) -> Squeeze | None:
    """The squeeze in which a tensor lies; None for a tensor of full resolution, and for anything else."""
    return getattr(value, _MARK, None)


def widened(value: Value) -> Value:
    """`value` with every tensor of the narrow part in it brought to full resolution, however deep it sits."""
    if (whole := getattr(value, _WHOLE, None)) is not None:
        return cast(Value, whole)
    if (squeeze := squeeze_of(value)) is not None:
        return cast(Value, squeeze.widen(cast(Tensor, value)))
    if isinstance(value, (tuple, list)):
        return cast(Value, type(value)([widened(item) for item in value]))
    if isinstance(value, dict):  # the outputs of transformers' models are dictionaries too
        for key, item in value.items():
            value[key] = widened(item)
    return value
