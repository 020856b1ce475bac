"""Relative position biases for windows of clusters, from what was learned for windows of tokens."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from hourglass.acceleration.windows import Grid, made_once


def position_index(window: Grid, device: torch.device) -> Tensor:
    """The row of the bias table for each pair of places in a window of (h, w): (h * w * h * w,)."""
    return made_once(_position_index, window, device)


def _position_index(window: Grid, device: torch.device) -> Tensor:
    places = torch.cartesian_prod(*(torch.arange(side, device=device) for side in window)).view(-1, 2)
    rows, columns = (places[:, None] - places).unbind(2)
    return ((rows + window[0] - 1) * (2 * window[1] - 1) + columns + window[1] - 1).flatten()


def resized_table(table: Tensor, window: Grid, clusters: Grid) -> Tensor:
    """A learned bias table, bilinearly resized to windows of clusters, as the authors' code does it.

    Args:
        table: ((2 H - 1) * (2 W - 1), heads), a bias for each offset in a window of (H, W) tokens.
        window: (H, W).
        clusters: (h, w).

    Returns:
        ((2 h - 1) * (2 w - 1), heads).
    """
    image = table.t().reshape(1, -1, *_offsets(window))
    return F.interpolate(image, size=_offsets(clusters), mode="bilinear").flatten(2)[0].t()


def pooled(bias: Tensor, prefix: int, grid: Grid, clusters: Grid) -> Tensor:
    """The bias of pairs of clusters: the mean over all pairs of tokens in their pooling cells.

    Args:
        bias: (..., prefix + H * W, prefix + H * W), of pairs of prefix tokens and tokens of a grid.
        prefix: Number of prefix tokens.
        grid: (H, W).
        clusters: (h, w).

    Returns:
        (..., prefix + h * w, prefix + h * w).
    """
    for _ in range(2):
        places = bias[..., prefix:].reshape(1, -1, *grid)
        few = F.adaptive_avg_pool2d(places, clusters).reshape(*bias.shape[:-1], -1)
        bias = torch.cat([bias[..., :prefix], few], dim=-1).transpose(-1, -2)
    return bias


def log_offsets(window: Grid, pretrained: Grid, clusters: Grid, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Where SwinV2's continuous position bias is evaluated for windows of clusters.

    A window of (H, W) tokens holds (h, w) clusters, so neighbouring clusters are H / h rows and W / w columns of tokens
    apart, center to center. These offsets are scaled as the model scales its own (Swin Transformer V2, equation 4): by
    the window of its pretraining, if it names one, else by (H, W). There is no SwinV2 of the hourglass's authors to
    compare with; their bilinear resize of a table comes to (2 H - 1) / (2 h - 1) in place of H / h.

    Args:
        window: (H, W).
        pretrained: Window of the pretraining; (0, 0) for none.
        clusters: (h, w).
        dtype: Of the offsets.
        device: Likewise.

    Returns:
        (1, 2 h - 1, 2 w - 1, 2).
    """
    return made_once(_log_offsets, tuple(window), tuple(pretrained), clusters, dtype, device)


def _log_offsets(window: Grid, pretrained: Grid, clusters: Grid, dtype: torch.dtype, device: torch.device) -> Tensor:
    scaled = []
    for tokens, learned, centers in zip(window, pretrained if pretrained[0] > 0 else window, clusters, strict=True):
        offsets = torch.arange(1 - centers, centers, device=device, dtype=torch.float32)
        scaled.append(offsets * (tokens / centers) * (8 / max(learned - 1, 1)))
    table = torch.stack(torch.meshgrid(*scaled, indexing="ij"), dim=-1)[None]
    return (table.sign() * torch.log2(table.abs() + 1) / math.log2(8)).to(dtype)


def _offsets(window: Grid) -> Grid:
    return 2 * window[0] - 1, 2 * window[1] - 1
