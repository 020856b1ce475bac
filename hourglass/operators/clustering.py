"""Token clustering: many tokens of a grid become the few centers of a coarser grid (paper, section 3.2).

`cluster_dense` is the specification, and what runs where nothing is faster. It pays for every pair of a token and a
center, over all channels, in every iteration; `clustering_local` computes the same without.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hourglass.operators.arguments import Semantics, check_clustering
from hourglass.operators.clustering_local import cluster_local
from hourglass.operators.observe import OperatorCall, is_observed, observed
from hourglass.operators.placement import is_eager
from hourglass.operators.pooling import cell_means
from hourglass.operators.precision import full_precision, without_vanishing, working_dtype
from hourglass.operators.tiling import choose_tiling


def cluster(
    tokens: Tensor,
    grid: tuple[int, int],
    clusters: tuple[int, int],
    *,
    iterations: int = 5,
    window: int = 5,
    temperature: float | Tensor = 0.02,
    semantics: Semantics = "official",
) -> Tensor:
    """Clusters the tokens of a grid into the centers of a coarser grid: soft k-means among neighbors.

    The centers begin as averages of the grid's cells. In each iteration a token divides itself among the centers around
    its cell, by the softmax of -temperature * squared distance, and a center moves to the weighted mean of its tokens.

    Args:
        tokens: (B, H * W, C), row by row, without class or register tokens.
        grid: (H, W) of the tokens.
        clusters: (h, w) of the centers; h * w may not exceed H * W, though h may exceed H.
        iterations: rounds of soft k-means, kappa in the paper; 0 leaves the average pooling.
        window: side of the square of cells, around its own, whose centers a token can join; odd, lambda in the paper.
        temperature: positive factor on the squared distance, tau; a number, or one for each batch element, (B,), such
            as `relative_temperature` gives. It multiplies, under both semantics: a configuration that divides by 100 is
            a temperature of 0.01.
        semantics: `official` holds the affinities constant in the gradient, and divides by their sum or 1e-16, if that
            is more: a center that no token is near to fades to zero. `paper` differentiates everything and takes the
            mean however small the affinities are; a center that no token can join stays where it is. Neither clamps
            distances at zero, which a softmax does not need.

    Returns:
        (B, h * w, C), row by row, in the dtype of the tokens; computed in at least float32.

    Raises:
        ValueError: an argument does not fit; the message names it.
    """
    check_clustering(tokens, grid, clusters, iterations, window, temperature, semantics)
    if is_observed():
        batch, count, channels = tokens.shape
        call = OperatorCall("clustering", batch, count, clusters[0] * clusters[1], channels, iterations)
        call.arguments = {"tokens": tokens, "grid": grid, "clusters": clusters}
        return observed(call, _cluster, tokens, grid, clusters, iterations, window, temperature, semantics)
    return _cluster(tokens, grid, clusters, iterations, window, temperature, semantics)


def _cluster(
    tokens: Tensor,
    grid: tuple[int, int],
    clusters: tuple[int, int],
    iterations: int,
    window: int,
    temperature: float | Tensor,
    semantics: Semantics,
) -> Tensor:
    working = tokens.to(working_dtype(tokens))
    if isinstance(temperature, Tensor):
        temperature = temperature.to(working.dtype)
    with full_precision(tokens.device):
        quarters = is_eager(tokens) and tokens.device.type == "cpu"
        tiling = choose_tiling(grid, clusters, window, tokens.shape[2], iterations, quarters)
        if tiling is None:
            centers = cluster_dense(working, grid, clusters, iterations, window, temperature, semantics)
        else:
            centers = cluster_local(working, tiling, iterations, temperature, semantics)
    return centers.to(tokens.dtype)


def cluster_dense(
    tokens: Tensor,
    grid: tuple[int, int],
    clusters: tuple[int, int],
    iterations: int,
    window: int,
    temperature: float | Tensor,
    semantics: Semantics,
) -> Tensor:
    """The specification of `cluster`, on checked arguments."""
    if isinstance(temperature, Tensor):
        temperature = temperature[:, None, None]
    centers = pooled(tokens, grid, clusters)
    out_of_reach = ~within_window(grid, clusters, window, tokens.device)
    # Distances do not depend on the origin, but their rounding does: measure from the middle of the tokens.
    middle = tokens.mean(dim=1, keepdim=True)
    for _ in range(iterations):
        distances = squared_distances(tokens - middle, centers - middle)
        logits = (-temperature * distances).masked_fill(out_of_reach, -torch.inf)
        centers = weighted_means(tokens, logits.log_softmax(dim=2), centers, semantics)
    return centers


def weighted_means(tokens: Tensor, log_affinity: Tensor, centers: Tensor, semantics: Semantics) -> Tensor:
    """The next centers: the means of the tokens, weighted with their affinity to each center."""
    if semantics == "official":
        affinity = without_vanishing(log_affinity.detach().exp()).transpose(1, 2)
        return affinity @ tokens / affinity.sum(dim=2, keepdim=True).clamp(min=1e-16)
    unreached = torch.isneginf(log_affinity).all(dim=1, keepdim=True)
    shares = without_vanishing(log_affinity.masked_fill(unreached, 0.0).softmax(dim=1))
    return torch.where(unreached.transpose(1, 2), centers, shares.transpose(1, 2) @ tokens)


def pooled(tokens: Tensor, grid: tuple[int, int], clusters: tuple[int, int]) -> Tensor:
    """The initial centers: adaptive average pooling of the grid; (B, H * W, C) -> (B, h * w, C)."""
    return cell_means(image_of(tokens, grid), clusters).flatten(2).transpose(1, 2)


def image_of(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """(B, H * W, C) -> (B, C, H, W), the same memory with strides by which PyTorch knows that channels come last.

    Otherwise pooling a single image takes 15 times as long on a CPU.
    """
    image: Tensor = tokens.unflatten(1, grid)
    return image.permute(0, 3, 1, 2)


def within_window(grid: tuple[int, int], clusters: tuple[int, int], window: int, device: torch.device) -> Tensor:
    """Whether a center's cell lies in the window around the token's own cell: boolean (H * W, h * w)."""
    rows, columns = (
        (cells(tokens, centers, device)[:, None] - torch.arange(centers, device=device)).abs() <= window // 2
        for tokens, centers in zip(grid, clusters, strict=True)
    )
    return (rows[:, None, :, None] & columns[None, :, None, :]).flatten(2).flatten(0, 1)


def cells(tokens: int, centers: int, device: torch.device) -> Tensor:
    """The initial cell of each token along one axis: nearest-neighbour interpolation of the cells' indices."""
    indices = torch.arange(centers, device=device, dtype=torch.float32)
    return F.interpolate(indices[None, None], size=tokens, mode="nearest")[0, 0].long()


def squared_distances(tokens: Tensor, centers: Tensor) -> Tensor:
    """Squared Euclidean distances, (B, N, C) and (B, K, C) -> (B, N, K)."""
    norms = tokens.square().sum(dim=2)[:, :, None] + centers.square().sum(dim=2)[:, None, :]
    return torch.baddbmm(norms, tokens, centers.transpose(1, 2), alpha=-2)


class Cluster(nn.Module):
    """`cluster` as a module without parameters; the grid comes with the tokens."""

    def __init__(
        self,
        clusters: tuple[int, int],
        *,
        iterations: int = 5,
        window: int = 5,
        temperature: float = 0.02,
        semantics: Semantics = "official",
    ) -> None:
        """See `cluster` for the arguments."""
        super().__init__()
        self.clusters = clusters
        self.iterations = iterations
        self.window = window
        self.temperature = temperature
        self.semantics = semantics

    def forward(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        """(B, H * W, C) and (H, W) -> (B, h * w, C)."""
        return cluster(
            tokens,
            grid,
            self.clusters,
            iterations=self.iterations,
            window=self.window,
            temperature=self.temperature,
            semantics=self.semantics,
        )

    def extra_repr(self) -> str:
        """The settings, for printing a model."""
        return (
            f"clusters={self.clusters}, iterations={self.iterations}, window={self.window}, "
            f"temperature={self.temperature}, semantics={self.semantics}"
        )
