"""Pictures as layers: what is drawn, with its opacity, apart from the image below it. torch is not needed here."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Size = tuple[int, int]
"""Height and width in pixels."""
Layer = NDArray[np.uint8]
"""(H, W, 4) RGBA."""

MOST = 512
"""Pixels of the longer side of what is stored; larger pictures are made smaller."""
CHANGED = (255, 0, 160)
"""Colour of what two layers differ in."""
GRADUAL = ("depth-estimation", "saliency-agreement")
"""Tasks whose colours stand for numbers; those of the others stand for labels."""


def over(image: NDArray[np.uint8], layer: Layer) -> NDArray[np.uint8]:
    """A layer over an image, both (H, W, ...); RGB."""
    opacity = layer[..., 3:].astype(np.float32) / 255
    mixed: NDArray[np.uint8] = np.rint((1 - opacity) * image + opacity * layer[..., :3]).astype(np.uint8)
    return mixed


def difference(before: Layer, after: Layer, *, gradual: bool = False) -> Layer:
    """What two layers of one image differ in.

    Args:
        before: Of the one.
        after: Of the other, as large.
        gradual: Whether the task is one of `GRADUAL`: a small difference of colours is a small one. Otherwise any
            difference counts in full.
    """
    apart = np.abs(_weighted(before) - _weighted(after)).max(axis=2)
    found = np.zeros_like(before)
    found[..., :3] = CHANGED
    found[..., 3] = np.minimum(3 * apart, 255) if gradual else np.where(apart > 0, 230, 0)
    return found


def share(layer: Layer) -> float:
    """How much of a layer is drawn on at all, 0 to 1."""
    return float((layer[..., 3] > 0).mean())


def encoded(picture: NDArray[np.uint8], *, photo: bool = False) -> str:
    """A picture as WebP in base64.

    Args:
        picture: (H, W, 3) or (H, W, 4).
        photo: Whether it may lose what is hardly seen. Layers keep every pixel, or differences could not be told.
    """
    content = io.BytesIO()
    drawn = Image.fromarray(picture)
    scale = MOST / max(drawn.size)
    if scale < 1:
        size = (max(1, round(drawn.width * scale)), max(1, round(drawn.height * scale)))
        drawn = drawn.resize(size, Image.Resampling.LANCZOS if photo else Image.Resampling.NEAREST)
    drawn.save(content, "WEBP", lossless=not photo, quality=80)
    return base64.b64encode(content.getvalue()).decode("ascii")


def enlarged(size: Size) -> Size:
    """The size at which a layer is drawn that has thin lines: as large as one can be stored, in whole multiples."""
    scale = max(1, MOST // max(size))
    return size[0] * scale, size[1] * scale


def decoded(text: str) -> NDArray[np.uint8]:
    """The picture in text from `encoded`; layers as RGBA.

    Raises:
        ValueError: It is none.
    """
    try:
        with Image.open(io.BytesIO(base64.b64decode(text, validate=True)), formats=["WEBP"]) as picture:
            if max(picture.size) > MOST:
                raise ValueError("is too large")
            return np.asarray(picture.convert("RGBA"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"no picture: {error}") from error


def _weighted(layer: Layer) -> NDArray[np.int16]:
    """Colours as strong as their opacity: those of what is transparent mean nothing."""
    return np.rint(layer[..., :3].astype(np.float32) * layer[..., 3:] / 255).astype(np.int16)
