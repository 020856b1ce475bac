"""The attention windows of a token grid: cut them out, put them back, and mask the shifted ones."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

Size = tuple[int, int]


def split(tokens: Tensor, window: Size) -> Tensor:
    """Cuts a grid into windows, padded with zeros at the bottom and on the right to whole ones.

    Args:
        tokens: (B, H, W, C).
        window: Rows and columns (h, w) of a window.

    Returns:
        (B * windows, h * w, C), windows and tokens row by row.
    """
    batch, height, width, channels = tokens.shape
    rows, columns = count(height, window[0]), count(width, window[1])
    padded = F.pad(tokens, (0, 0, 0, columns * window[1] - width, 0, rows * window[0] - height))
    cut = padded.reshape(batch, rows, window[0], columns, window[1], channels)
    return cut.transpose(2, 3).reshape(-1, window[0] * window[1], channels)


def join(windows: Tensor, window: Size, counts: Size) -> Tensor:
    """Puts windows back into a grid; undoes `split`, but for the padding.

    Args:
        windows: (B * windows, h * w, C).
        window: Rows and columns (h, w) of a window.
        counts: Rows and columns of windows.

    Returns:
        (B, rows * h, columns * w, C).
    """
    channels = windows.shape[2]
    grid = windows.reshape(-1, *counts, *window, channels)
    return grid.transpose(2, 3).reshape(-1, counts[0] * window[0], counts[1] * window[1], channels)


def count(side: int, window: int) -> int:
    """Windows along a side of a grid, the last one perhaps only begun."""
    return -(-side // window)


def shift_mask(grid: Size, window: Size, shift: Size, like: Tensor) -> Tensor:
    """What keeps tokens apart that only the cyclic shift brought into one window (Swin Transformer, section 3.2).

    Args:
        grid: Rows and columns of the shifted grid, whole windows.
        window: Rows and columns (h, w) of a window.
        shift: Rows and columns of the grid that the shift moved to its end.
        like: A tensor whose dtype and device the mask takes.

    Returns:
        (windows, h * w, h * w), 0 within a region and -100 between two.
    """
    regions = []
    for side, step, moved in zip(grid, window, shift, strict=True):
        place = torch.arange(side, device=like.device)
        regions.append(torch.where(place >= side - moved, 2, (place >= side - step).long()))
    labels = split((3 * regions[0][:, None] + regions[1])[None, :, :, None], window)
    return torch.where(labels == labels.transpose(1, 2), 0.0, -100.0).to(like.dtype)
