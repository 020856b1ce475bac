"""Pooled tokens in an encoder, by the hooks of the hourglass."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hourglass.acceleration.accelerating import put
from hourglass.acceleration.clustering import FewerTokens
from hourglass.acceleration.hourglass import Hourglass
from hourglass.acceleration.plan import Plan
from hourglass.acceleration.spec import EncoderSpec
from hourglass.acceleration.windows import Grid, Span, spans

Model = TypeVar("Model", bound=nn.Module)


class PooledTokens:
    """Means of the cells of a grid, window by window; see `FewerTokens` for the attributes."""

    def __init__(self, tokens: Tensor, window: Grid | None, clusters: Grid, *, residual: bool) -> None:
        """Pools the tokens.

        Args:
            tokens: (B, H, W, C).
            window: Rows and columns of a window; None for the whole grid.
            clusters: What becomes of each; a last window that the grid cuts off has some in proportion.
            residual: See `PoolingPlan`.
        """
        self.grid: Grid = (int(tokens.shape[1]), int(tokens.shape[2]))
        window = window or self.grid
        rows, columns = (spans(*sides) for sides in zip(self.grid, window, clusters, strict=True))
        self.spans: tuple[Sequence[Span], Sequence[Span]] = (rows, columns)
        self.small_grid: Grid = (rows[-1].clusters.stop, columns[-1].clusters.stop)
        # Cells never reach over a window's edge, so whole windows side by side are pooled as one map.
        parts = [
            [_pooled(tokens[:, down.tokens, across.tokens], _few(down, across)) for across in columns] for down in rows
        ]
        self.small = _assembled(parts)
        self._tokens = tokens if residual else None

    def rebuild(self, refined: Tensor) -> Tensor:
        """What the blocks made of the pooled tokens, (B, h', w', D), to (B, H, W, D) by bilinear interpolation."""
        rows, columns = self.spans
        change = refined if self._tokens is None else refined - self.small
        whole = _assembled(
            [
                [_resized(change[:, down.clusters, across.clusters], _many(down, across)) for across in columns]
                for down in rows
            ]
        )
        return whole if self._tokens is None else self._tokens + whole


class Pooling(Hourglass):
    """An hourglass that pools in place of clustering."""

    def __init__(self, spec: EncoderSpec, encoder: nn.Module, plan: Plan, *, residual: bool) -> None:
        """See `Hourglass` and `PoolingPlan`."""
        self._residual = residual
        super().__init__(spec, encoder, plan)

    def fewer(self, tokens: Tensor, window: Grid | None) -> FewerTokens:
        """See `Hourglass`."""
        return PooledTokens(tokens, window, self.plan.clusters, residual=self._residual)


def pool_tokens(model: Model, plan: Plan, *, residual: bool) -> Model:
    """Have the encoders in a model pool their tokens, in place; the model.

    Args:
        model: One that `hourglass.apply` takes.
        plan: Of which start and clusters count.
        residual: See `PoolingPlan`.

    Raises:
        ValueError: As `hourglass.apply`.
    """
    return put(partial(_pooling, residual), model, plan)


def _pooling(residual: bool, spec: EncoderSpec, encoder: nn.Module, model: nn.Module, plan: Plan) -> Pooling:
    return Pooling(spec, encoder, plan, residual=residual)


def _few(down: Span, across: Span) -> Grid:
    return down.few * down.windows, across.few * across.windows


def _many(down: Span, across: Span) -> Grid:
    return down.window * down.windows, across.window * across.windows


def _pooled(tokens: Tensor, size: Grid) -> Tensor:
    return F.adaptive_avg_pool2d(tokens.permute(0, 3, 1, 2), size).permute(0, 2, 3, 1)


def _resized(tokens: Tensor, size: Grid) -> Tensor:
    image = tokens.permute(0, 3, 1, 2)
    return F.interpolate(image, size, mode="bilinear", align_corners=False).permute(0, 2, 3, 1)


def _assembled(parts: list[list[Tensor]]) -> Tensor:
    """Parts of a grid, (B, rows, columns, C) each, side by side."""
    return torch.cat([torch.cat(row, dim=2) for row in parts], dim=1)
