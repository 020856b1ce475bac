"""Where the clusters lie, for models that tell their attention about positions in every block."""

from __future__ import annotations

import torch
from torch import Tensor


def at_cluster_cells(
    cos: Tensor, sin: Tensor, grid: tuple[int, int], clusters: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Rotary position embeddings of the clusters: those of the point in the middle of each cluster's cell.

    That point is the mean position of the patches that adaptive average pooling puts into the cell, i.e. the position
    of the initial center. It is the position of a patch, or half way between two; the angle of a rotation half way
    is the direction of the sum of its neighbours. So neither the frequencies nor the order of the channels need be
    known, and whatever the model did to its coordinates is respected. Exact as long as the angles of neighbouring
    patches differ by less than half a turn.

    Args:
        cos: (..., H * W, D), cosines of the angles of the patches, row by row.
        sin: Like `cos`.
        grid: (H, W).
        clusters: (h, w).

    Returns:
        Cosines and sines, (..., h * w, D) each.
    """
    rows = _middle(grid[0], clusters[0], cos.device)
    columns = _middle(grid[1], clusters[1], cos.device)
    real, imaginary = torch.zeros((), device=cos.device), torch.zeros((), device=cos.device)
    for row in rows:
        for column in columns:
            corner = (row[:, None] * grid[1] + column).flatten()
            real = real + cos.index_select(-2, corner)
            imaginary = imaginary + sin.index_select(-2, corner)
    length = (real.square() + imaginary.square()).sqrt()  # hypot has no ONNX translation
    return (real / length).to(cos.dtype), (imaginary / length).to(sin.dtype)


def _middle(patches: int, cells: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The two patches (one, twice, if their number is odd) in the middle of each pooling cell along one axis."""
    cell = torch.arange(cells, device=device)
    ends = cell * patches // cells + -(-(cell + 1) * patches // cells) - 1
    return ends // 2, (ends + 1) // 2
