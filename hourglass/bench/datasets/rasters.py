"""Images, label maps and depth maps as PNG (or JPEG) files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from hourglass.bench.datasets.base import IGNORED
from hourglass.registry import UserError

MILLIMETRES = 1000.0
"""Units per metre of a depth PNG, as NYU's are written."""

KITTI_UNITS = 256.0
"""Units per metre of KITTI's depth PNGs."""


def read_pixels(path: Path, mode: str | None = None) -> NDArray[Any]:
    """The file's pixels, (H, W) or (H, W, channels), in the type it stores.

    Args:
        path: The file.
        mode: Pillow's name of what to convert them to; None leaves them as they are.

    Raises:
        UserError: The file is missing or damaged.
    """
    try:
        with Image.open(path) as image:
            return np.array(image if mode is None else image.convert(mode))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; prepare the data set again") from None
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise UserError(f"{path}: not a readable image ({error}); delete it and prepare the data set again") from error


def write_pixels(path: Path, pixels: NDArray[Any]) -> None:
    """Write (H, W) uint8 or uint16, or (H, W, 3) uint8, as PNG; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, format="PNG")


def read_image(path: Path) -> Tensor:
    """(3, H, W) uint8 RGB, whatever colours the file has.

    Raises:
        UserError: The file is missing or damaged.
    """
    return torch.from_numpy(np.ascontiguousarray(read_pixels(path, "RGB").transpose(2, 0, 1)))


def read_semantic(path: Path, values: Sequence[int]) -> Tensor:
    """(H, W) int64 labels of a label PNG, 255 where ignored.

    Args:
        path: 8-bit PNG of one channel.
        values: What the file has for each label: 1, 2, ... in ADE20K (and 0 for ignored pixels), 0, 1, ... in CamVid.
            Pixels of any other value are ignored.

    Raises:
        UserError: The file is missing, damaged or not of 8 bits and one channel.
    """
    labels = np.full(256, IGNORED, np.int64)
    labels[list(values)] = np.arange(len(values))
    return torch.from_numpy(labels[_one_channel(path, 8)])


def write_semantic(path: Path, labels: NDArray[Any]) -> None:
    """Write (H, W) labels as ADE20K does: label + 1, and 0 for ignored pixels (255)."""
    write_pixels(path, np.where(labels == IGNORED, 0, labels.astype(np.int64) + 1).astype(np.uint8))


def read_depth(path: Path, *, scale: float = MILLIMETRES) -> Tensor:
    """(H, W) float32 metres of a 16-bit depth PNG, 0 where unknown.

    Args:
        path: The PNG.
        scale: Units per metre.

    Raises:
        UserError: The file is missing, damaged or not of 16 bits and one channel.
    """
    return torch.from_numpy((_one_channel(path, 16).astype(np.float64) / scale).astype(np.float32))


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


def _one_channel(path: Path, bits: int) -> NDArray[Any]:
    pixels = read_pixels(path)
    channels = 1 if pixels.ndim == 2 else pixels.shape[-1]
    found = min(8 * pixels.dtype.itemsize, 16)  # older Pillows unpack 16 bits into 32
    if (channels, found) != (1, bits):
        raise UserError(
            f"{path}: has {channels} channels of {found} bits where one of {bits} is expected; restore the file"
        )
    return pixels
