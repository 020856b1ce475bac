"""Adaptive average pooling, for every exporter."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def cell_means(image: Tensor, cells: tuple[int, int]) -> Tensor:
    """Adaptive average pooling, (B, C, H, W) -> (B, C, h, w).

    The older ONNX exporter has no translation for it where cells do not divide the image: products with two matrices
    are the same but for rounding.
    """
    sides = int(image.shape[2]), int(image.shape[3])
    if not torch.onnx.is_in_onnx_export() or all(side % few == 0 for side, few in zip(sides, cells, strict=True)):
        return F.adaptive_avg_pool2d(image, cells)
    rows, columns = (_shares(side, few, image) for side, few in zip(sides, cells, strict=True))
    return rows @ image @ columns.transpose(0, 1)


def _shares(side: int, cells: int, like: Tensor) -> Tensor:
    """What each place along a side contributes to the mean of each cell, (cells, side)."""
    ends = [(cell * side // cells, -(-(cell + 1) * side // cells)) for cell in range(cells)]
    shares = [[(start <= place < stop) / (stop - start) for place in range(side)] for start, stop in ends]
    return torch.tensor(shares, dtype=like.dtype, device=like.device)
