"""Images, label maps and depth maps as PNG (or JPEG) files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from hourglass.datasets.base import IGNORED
from hourglass.errors import UserError

MILLIMETRES = 1000.0
"""Units per metre of a depth PNG, as NYU's are written; KITTI's have 256."""


def read_pixels(path: Path) -> NDArray[Any]:
    """The file's pixels, (H, W) or (H, W, channels), in the type it stores.

    Raises:
        UserError: The file is missing or damaged.
    """
    try:
        with Image.open(path) as image:
            return np.array(image)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; prepare the data set again") from None
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise UserError(f"{path}: not a readable image ({error}); delete it and prepare the data set again") from error


def write_pixels(path: Path, pixels: NDArray[Any]) -> None:
    """Write (H, W) uint8 or uint16, or (H, W, 3) uint8, as PNG; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, format="PNG")


def read_image(path: Path) -> Tensor:
    """(3, H, W) uint8 RGB.

    Raises:
        UserError: The file is missing or damaged.
    """
    pixels = read_pixels(path)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    return torch.from_numpy(np.ascontiguousarray(pixels[..., :3].transpose(2, 0, 1)))


def read_semantic(path: Path, classes: int, *, first: int = 1) -> Tensor:
    """(H, W) int64 labels of a label PNG, 255 where ignored.

    Args:
        path: 8-bit PNG of one channel.
        classes: Number of classes K.
        first: The value that means class 0. ADE20K has 1 (and 0 for ignored pixels), CamVid 0; values outside
            ``first`` ... ``first + classes - 1`` are ignored.

    Raises:
        UserError: The file is missing, damaged or has more than one channel.
    """
    labels = torch.from_numpy(_one_channel(path).astype(np.int64)) - first
    return labels.masked_fill_((labels < 0) | (labels >= classes), IGNORED)


def write_semantic(path: Path, labels: NDArray[Any]) -> None:
    """Write (H, W) labels as ADE20K does: label + 1, and 0 for ignored pixels (255)."""
    write_pixels(path, np.where(labels == IGNORED, 0, labels.astype(np.int64) + 1).astype(np.uint8))


def read_depth(path: Path, *, scale: float = MILLIMETRES) -> Tensor:
    """(H, W) float32 metres of a 16-bit depth PNG, 0 where unknown.

    Args:
        path: The PNG.
        scale: Units per metre.

    Raises:
        UserError: The file is missing, damaged or has more than one channel.
    """
    return torch.from_numpy((_one_channel(path).astype(np.float64) / scale).astype(np.float32))


def write_depth(path: Path, depth: NDArray[Any], *, scale: float = MILLIMETRES) -> None:
    """Write (H, W) metres as 16-bit PNG, rounded to 1 / ``scale``; 0 stays 0 (unknown).

    Raises:
        ValueError: A depth is negative, not finite or more than 16 bits hold.
    """
    units = np.rint(np.asarray(depth, np.float64) * scale)
    if not np.all((units >= 0) & (units <= np.iinfo(np.uint16).max)):
        raise ValueError(
            f"depth: values must lie in 0 ... {np.iinfo(np.uint16).max / scale:g} m to be written to {path}"
        )
    write_pixels(path, units.astype(np.uint16))


def _one_channel(path: Path) -> NDArray[Any]:
    pixels = read_pixels(path)
    if pixels.ndim != 2:
        raise UserError(f"{path}: has {pixels.shape[-1]} channels; a label or depth PNG has one")
    return pixels
