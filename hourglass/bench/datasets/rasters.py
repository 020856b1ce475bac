"""Images, label maps and depth maps as PNG (or JPEG) files."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from hourglass.bench.datasets.base import IGNORED
from hourglass.bench.storage.files import one_line
from hourglass.registry import UserError

if TYPE_CHECKING:
    from torch import Tensor

MILLIMETRES = 1000.0
"""Units per metre of a depth PNG, as NYU's are written."""

KITTI_UNITS = 256.0
"""Units per metre of KITTI's depth PNGs."""

_PNG_BITS = 24
"""Place of the byte that says how many bits a PNG's channels have."""


FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
"""Pillow's names of what is opened; it knows others that start programs."""

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
"""Endings of their files, in lower case."""

MOST_PIXELS = 64_000_000
"""Of one image: more take gigabytes while they are decoded."""


def is_image(path: Path) -> bool:
    """Whether a path in a folder is an image, by its name; macOS leaves ``._name`` files beside real ones."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def read_pixels(path: Path, mode: str | None = None, *, upright: bool = True) -> NDArray[Any]:
    """The file's pixels, (H, W) or (H, W, channels).

    Args:
        path: PNG, JPEG, WebP or BMP.
        mode: Pillow's name of what to convert them to; None leaves them in the type the file stores, with the values
            the file stores, be they of 1, 2 or 4 bits.
        upright: Whether to turn the image as its EXIF data says, if it is converted.

    Raises:
        UserError: The file is missing, damaged, of another format or too large.
    """
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{path}: is no file, but an image is expected")
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise Image.DecompressionBombError
                return _stored(path, image) if mode is None else _converted(image, mode, upright)
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; restore it, or prepare the data set again") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UserError(f"{path}: has more than {MOST_PIXELS // 10**6} million pixels; make it smaller") from None
    except UnidentifiedImageError:
        raise UserError(f"{path}: not a readable image: none of {', '.join(FORMATS)}; convert or restore it") from None
    except Exception as error:  # what is damaged can raise anything
        raise UserError(f"{path}: not a readable image ({' '.join(str(error).split())}); restore it") from error


def _converted(image: Image.Image, mode: str, upright: bool) -> NDArray[Any]:
    turned = ImageOps.exif_transpose(image) if upright else image
    if turned.mode.startswith("I"):  # 16 bits, of which Pillow would make white
        turned = Image.fromarray((np.asarray(turned).astype(np.uint32) >> 8).clip(max=255).astype(np.uint8))
    return np.array(turned.convert(mode))


def _stored(path: Path, image: Image.Image) -> NDArray[Any]:
    pixels = np.array(image)
    if image.format == "PNG" and image.mode == "L":  # where Pillow spreads 2 and 4 bits over 8
        with path.open("rb") as file:
            bits = file.read(_PNG_BITS + 1)[_PNG_BITS]
        pixels //= np.uint8(255 // (2**bits - 1))
    return pixels.astype(np.uint8) if pixels.dtype == bool else pixels


def write_pixels(path: Path, pixels: NDArray[Any]) -> None:
    """Write (H, W) uint8 or uint16, or (H, W, 3) uint8, as PNG; folders are made.

    Raises:
        UnwritableError: The system refuses it.
    """
    with one_line(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, format="PNG")


def read_image(path: Path, size: tuple[int, int] | None = None) -> Tensor:
    """(3, H, W) uint8 RGB, upright, whatever colours and orientation the file has; 16 bits keep the upper 8.

    Args:
        path: As for `read_pixels`.
        size: Height and width that its annotations are for. If only the image as it is stored, rather than as its EXIF
            data turns it, has that size, the annotations were made for that.

    Raises:
        UserError: The file is missing, damaged, too large, or of another size.
    """
    import torch

    pixels = read_pixels(path, "RGB")
    if size is not None and pixels.shape[:2] != size:
        stored = read_pixels(path, "RGB", upright=False)
        if stored.shape[:2] != size:
            found, wanted = (f"{width} x {height}" for height, width in (pixels.shape[:2], size))
            raise UserError(f"{path}: is {found} pixels, but its annotations are for {wanted}; restore both")
        pixels = stored
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def read_semantic(path: Path, values: Sequence[int]) -> Tensor:
    """(H, W) int64 labels of a label PNG, 255 where ignored.

    Args:
        path: 8-bit PNG of one channel.
        values: What the file has for each label: 1, 2, ... in ADE20K (and 0 for ignored pixels), 0, 1, ... in CamVid.
            Pixels of any other value are ignored.

    Raises:
        UserError: The file is missing, damaged or not of 8 bits and one channel.
    """
    import torch

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
    import torch

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
    if bits == 16 and pixels.dtype == np.int32 and pixels.max(initial=0) > np.iinfo(np.uint16).max:
        raise UserError(f"{path}: has values beyond 16 bits; restore the file")
    channels = 1 if pixels.ndim == 2 else pixels.shape[-1]
    found = min(8 * pixels.dtype.itemsize, 16)  # older Pillows unpack 16 bits into 32
    if (channels, found) != (1, bits):
        raise UserError(
            f"{path}: has {channels} channels of {found} bits where one of {bits} is expected; restore the file"
        )
    return pixels
