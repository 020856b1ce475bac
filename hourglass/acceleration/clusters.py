"""Both operators as a plan runs them: from tokens to centers, and the weights of the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from hourglass.acceleration.plan import Plan
from hourglass.operators import ReconstructionWeights, cluster, reconstruction_weights

Grid = tuple[int, int]


@dataclass(frozen=True)
class Clusters:
    """One clustering, as a watcher sees it.

    Attributes:
        tokens: (B, H * W, C), of images or of attention windows.
        centers: (B, h * w, C).
        grid: (H, W).
        windows: Rows and columns of windows in an image; B counts windows then, an image's in a row.
        extent: Rows and columns of an image's tokens, without the padding that completes its last windows.
    """

    tokens: Tensor
    centers: Tensor
    grid: Grid
    windows: Grid
    extent: Grid

    def labels(self) -> Tensor:
        """(rows, columns) int64 of the first image: a number for the center nearest to each token."""
        (rows, columns), (height, width) = self.windows, self.grid
        tokens, centers = (values[: rows * columns].float() for values in (self.tokens, self.centers))
        nearest = torch.cdist(tokens, centers).argmin(2)
        nearest = nearest + torch.arange(rows * columns, device=nearest.device)[:, None] * centers.shape[1]
        whole = nearest.view(rows, columns, height, width).transpose(1, 2).reshape(rows * height, columns * width)
        return whole[: self.extent[0], : self.extent[1]]


_watchers: list[Callable[[Clusters], None]] = []


def narrow(
    tokens: Tensor, grid: Grid, plan: Plan, *, windows: Grid = (1, 1), extent: Grid | None = None
) -> tuple[Tensor, ReconstructionWeights]:
    """Cluster tokens, and prepare their reconstruction, once however many feature maps will need it.

    Args:
        tokens: (B, H * W, C), row by row.
        grid: (H, W).
        plan: The operating point.
        windows: See `Clusters`.
        extent: See `Clusters`; the grid when None.

    Returns:
        Centers (B, h * w, C), and what takes (B, h * w, D) to (B, H * W, D).
    """
    centers = cluster(
        tokens,
        grid,
        plan.clusters,
        iterations=plan.iterations,
        window=plan.window,
        temperature=plan.temperature,
        semantics=plan.semantics,
    )
    for watcher in _watchers:
        watcher(Clusters(tokens, centers, grid, windows, extent or grid))
    weights = reconstruction_weights(
        tokens, centers, neighbors=plan.neighbors, temperature=plan.temperature, semantics=plan.semantics
    )
    return centers, weights


@contextmanager
def watched() -> Iterator[list[Clusters]]:
    """Collects every clustering of the forward passes inside the ``with`` block, to look at them."""
    seen: list[Clusters] = []
    _watchers.append(seen.append)
    try:
        yield seen
    finally:
        _watchers.remove(seen.append)
