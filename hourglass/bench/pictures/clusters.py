"""Draws which tokens of an image were joined: clusters as outlines over the image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from hourglass.bench.pictures.layers import Layer, Size, over

SCALE = 4
"""Enlargement of the image, so that the outlines are thin beside a token."""
LINE = (255, 235, 60, 255)


def outline(image: Tensor, labels: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Borders between clusters, drawn over the enlarged image.

    Args:
        image: (3, H, W) uint8 RGB.
        labels: (rows, columns) of the token grid, padding left out: the cluster that each token belongs to.

    Returns:
        (4 H, 4 W, 3) uint8 RGB.
    """
    height, width = image.shape[-2] * SCALE, image.shape[-1] * SCALE
    large = Image.fromarray(image.permute(1, 2, 0).numpy()).resize((width, height), Image.Resampling.BICUBIC)
    return over(np.asarray(large), borders((height, width), labels))


def borders(size: Size, labels: NDArray[np.int64]) -> Layer:
    """Borders between clusters alone, two pixels wide.

    Args:
        size: Of the layer.
        labels: As of `outline`.

    Returns:
        (H, W, 4) uint8 RGBA.
    """
    height, width = size
    rows = np.minimum(np.arange(height) * labels.shape[0] // height, labels.shape[0] - 1)
    columns = np.minimum(np.arange(width) * labels.shape[1] // width, labels.shape[1] - 1)
    spread = labels[rows][:, columns]
    border = np.zeros(spread.shape, bool)
    border[2:] |= spread[2:] != spread[:-2]
    border[:, 2:] |= spread[:, 2:] != spread[:, :-2]
    canvas = np.zeros((*size, 4), np.uint8)
    canvas[border] = LINE
    return canvas
