"""Draws which tokens of an image were joined: clusters as outlines over the image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

SCALE = 4
"""Enlargement of the image, so that the outlines are thin beside a token."""


def outline(image: Tensor, labels: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Borders between clusters, drawn over the enlarged image.

    Args:
        image: (3, H, W) uint8 RGB.
        labels: (rows, columns) of the token grid, padding left out: the cluster that each token belongs to.

    Returns:
        (4 H, 4 W, 3) uint8 RGB.
    """
    height, width = image.shape[-2] * SCALE, image.shape[-1] * SCALE
    canvas = np.array(Image.fromarray(image.permute(1, 2, 0).numpy()).resize((width, height), Image.Resampling.BICUBIC))
    rows = np.minimum(np.arange(height) * labels.shape[0] // height, labels.shape[0] - 1)
    columns = np.minimum(np.arange(width) * labels.shape[1] // width, labels.shape[1] - 1)
    spread = labels[rows][:, columns]
    border = np.zeros(spread.shape, bool)
    border[2:] |= spread[2:] != spread[:-2]
    border[:, 2:] |= spread[:, 2:] != spread[:, :-2]
    canvas[border] = (255, 235, 60)
    return canvas
