"""The operators as the authors wrote them: every token against every center, over all channels, in every iteration.

What the operators of the library are compared with; nothing else runs them.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from hourglass.operators.clustering import within_window


def dense_clustering(
    tokens: Tensor,
    grid: tuple[int, int],
    clusters: tuple[int, int],
    iterations: int = 5,
    window: int = 5,
    temperature: float = 0.02,
) -> Tensor:
    """The official formula of the clustering, (B, H * W, C) -> (B, h * w, C); the arguments are those of `cluster`."""
    image = tokens.transpose(1, 2).unflatten(2, grid)
    centers = F.adaptive_avg_pool2d(image, clusters).flatten(2).transpose(1, 2)
    penalty = (~within_window(grid, clusters, window, tokens.device)).T.contiguous().to(tokens.dtype) * 1e16
    for _ in range(iterations):
        affinity = (-temperature * (_distances(centers, tokens) + penalty)).softmax(dim=1)
        centers = affinity @ tokens / affinity.sum(dim=2, keepdim=True).clamp(min=1e-16)
    return centers


def dense_weights(tokens: Tensor, centers: Tensor, neighbors: int = 20, temperature: float = 0.02) -> Tensor:
    """The official weights to every center, zero for all but the nearest: (B, H * W, h * w)."""
    weights = torch.exp(-temperature * _distances(tokens, centers))
    least = weights.topk(neighbors, dim=2).values[:, :, -1:]
    return F.normalize(torch.where(weights >= least, weights, torch.zeros_like(weights)), dim=2)


def dense_reconstruction(
    refined: Tensor, tokens: Tensor, centers: Tensor, neighbors: int = 20, temperature: float = 0.02
) -> Tensor:
    """The official formula of the reconstruction; the arguments are those of `reconstruct`."""
    return dense_weights(tokens, centers, neighbors, temperature) @ refined


def _distances(left: Tensor, right: Tensor) -> Tensor:
    norms = left.square().sum(dim=2)[:, :, None] + right.square().sum(dim=2)[:, None, :]
    return norms - 2 * left @ right.transpose(1, 2)
