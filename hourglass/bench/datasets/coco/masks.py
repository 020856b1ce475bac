"""COCO's three ways to write a mask: polygons, plain and compressed run lengths."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from faster_coco_eval.core import mask as rle
from numpy.typing import NDArray


def encode(mask: NDArray[Any]) -> dict[str, Any]:
    """A (H, W) mask as compressed run lengths, ``counts`` as text so that it goes into JSON."""
    encoded = rle.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(side) for side in encoded["size"]], "counts": encoded["counts"].decode("ascii")}


def compress(segmentation: Any, size: tuple[int, int]) -> dict[str, Any]:
    """Any COCO segmentation of an image of (H, W) pixels as compressed run lengths.

    Raises:
        ValueError: It is missing or none of COCO's forms.
    """
    height, width = size
    if isinstance(segmentation, list) and segmentation:
        return cast("dict[str, Any]", rle.merge(rle.frPyObjects(segmentation, height, width)))
    if isinstance(segmentation, dict) and isinstance(segmentation.get("counts"), list):
        return cast("dict[str, Any]", rle.frPyObjects(segmentation, height, width))
    if isinstance(segmentation, dict) and isinstance(segmentation.get("counts"), (str, bytes)):
        return segmentation
    raise ValueError("segmentation: expected polygons or run lengths; these annotations have boxes only")


def decode(segmentation: Any, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Any COCO segmentation as a (H, W) mask.

    Raises:
        ValueError: It is missing or none of COCO's forms.
    """
    mask: NDArray[np.bool_] = rle.decode(compress(segmentation, size)).astype(bool)
    return mask


def annotate(mask: NDArray[Any], *, id: int, image_id: int, category_id: int) -> dict[str, Any]:
    """The COCO annotation of one object of which the (H, W) mask is known exactly.

    Raises:
        ValueError: The mask is empty.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        raise ValueError(f"mask: annotation {id} of image {image_id} has no pixel")
    top, left = int(rows[0]), int(columns[0])
    return {
        "id": id,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": [left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top],
        "area": int(np.count_nonzero(mask)),
        "iscrowd": 0,
        "segmentation": encode(mask),
    }
