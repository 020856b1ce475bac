"""A temperature without a unit: how sharply a token tells centers apart, whatever the length of the model's tokens."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from hourglass.operators.arguments import check_relative_temperature
from hourglass.operators.clustering import image_of
from hourglass.operators.observe import OperatorCall, is_observed, observed
from hourglass.operators.pooling import cell_means
from hourglass.operators.precision import full_precision, working_dtype

# A computed distance may be wrong by so many roundings of the distances between cells.
ROUNDING = 1024


def relative_temperature(
    tokens: Tensor,
    grid: tuple[int, int],
    clusters: tuple[int, int],
    sharpness: float = 10.0,
    windows: int = 1,
) -> Tensor:
    """The temperature that fits the spread of the tokens: sharpness / q.

    q is the mean squared distance of a token to the mean of its initial cell, which is the average pooling that the
    clustering starts from. A temperature multiplies squared distances, so its right value depends on the length of a
    model's tokens; in multiples of 1 / q it does not: tokens that are s times as long give a temperature of 1 / s^2 of
    this one, and the same clusters and weights.

    Args:
        tokens: (B, H * W, C), row by row, without class or register tokens.
        grid: (H, W) of the tokens.
        clusters: (h, w) of the centers.
        sharpness: positive and without a unit: a center that is q farther away than another one weighs exp(-sharpness)
            of it. From 5 to 20 models behave nearly the same; 2 is too soft.
        windows: consecutive batch elements that are the attention windows of one image. They share one q.

    Returns:
        (B,), float32 (float64 for float64 tokens), constant in the gradient. No image depends on another one of the
        batch. It is always finite: tokens that equal the means of their cells (constant ones, or as many clusters as
        tokens) get a temperature at which each stays with its own cell.

    Raises:
        ValueError: an argument does not fit; the message names it.
    """
    check_relative_temperature(tokens, grid, clusters, sharpness, windows)
    if is_observed():
        batch, count, channels = tokens.shape
        call = OperatorCall("temperature", batch, count, clusters[0] * clusters[1], channels)
        return observed(call, _relative_temperature, tokens, grid, clusters, sharpness, windows)
    return _relative_temperature(tokens, grid, clusters, sharpness, windows)


def _relative_temperature(
    tokens: Tensor, grid: tuple[int, int], clusters: tuple[int, int], sharpness: float, windows: int
) -> Tensor:
    dtype = working_dtype(tokens)
    with full_precision(tokens.device):
        image = image_of(tokens.detach().to(dtype), grid)
        means = cell_means(image, clusters)
        spread = mean_square(image - F.interpolate(means, size=grid, mode="nearest"))
        between = mean_square(means - means.mean(dim=(2, 3), keepdim=True))
        if windows > 1:
            spread, between = image_means(spread, windows), image_means(between, windows)
        # No sharper than distances between cells can be computed, and nothing is divided by zero.
        precision = torch.finfo(dtype)
        spread = torch.maximum(spread, ROUNDING * precision.eps * between)
        spread = spread.masked_fill(spread < precision.tiny / precision.eps, 1.0)
        temperature: Tensor = sharpness / spread
        return temperature


def mean_square(image: Tensor) -> Tensor:
    """The mean squared norm of the pixels, (B, C, H, W) -> (B,)."""
    norms: Tensor = torch.linalg.vector_norm(image, dim=1)
    return norms.square().mean(dim=(1, 2))


def image_means(values: Tensor, windows: int) -> Tensor:
    """Replaces the value of each window by the mean over the windows of its image, (B,) -> (B,)."""
    means: Tensor = values.unflatten(0, (-1, windows)).mean(dim=1, keepdim=True)
    return means.expand(-1, windows).flatten()
