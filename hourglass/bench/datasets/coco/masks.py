"""COCO's three ways to write a mask: polygons, plain and compressed run lengths."""

from __future__ import annotations

from math import isfinite
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray


def encode(mask: NDArray[Any]) -> dict[str, Any]:
    """A (H, W) mask as compressed run lengths, ``counts`` as text so that it goes into JSON."""
    from faster_coco_eval.core import mask as rle

    encoded = rle.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(side) for side in encoded["size"]], "counts": encoded["counts"].decode("ascii")}


def require(segmentation: Any, size: tuple[int, int]) -> None:
    """Make sure that a COCO segmentation is one, of an image of (H, W) pixels.

    Raises:
        ValueError: It is none of COCO's forms, of another size, or has corners that are no numbers or far from it.
    """
    from faster_coco_eval.core import mask as rle

    if isinstance(segmentation, list) and segmentation:
        for polygon in segmentation:
            _require_polygon(polygon, *size)
    elif isinstance(segmentation, dict) and isinstance(segmentation.get("counts"), (list, str, bytes)):
        found = tuple(segmentation.get("size", ()))
        if found != tuple(size):
            raise ValueError(f"segmentation: run lengths of height and width {found} in an image of {tuple(size)}")
        counts = segmentation["counts"]
        if isinstance(counts, list):
            if not all(isinstance(count, int) and count >= 0 for count in counts) or sum(counts) != size[0] * size[1]:
                raise ValueError(f"segmentation: run lengths do not add up to {size[0]} x {size[1]} pixels")
            return
        try:
            rle.area(segmentation)
        except RuntimeError as error:
            raise ValueError(f"segmentation: {error}") from error
    else:
        raise ValueError("segmentation: expected polygons or run lengths; these annotations have boxes only")


def _require_polygon(polygon: Any, height: int, width: int) -> None:
    said = f"segmentation: {str(polygon)[:60]}"
    if not isinstance(polygon, list) or len(polygon) < 4 or len(polygon) % 2:
        raise ValueError(f"{said} is no polygon")
    if not all(isinstance(number, (int, float)) and isfinite(number) for number in polygon):
        raise ValueError(f"{said} is no polygon")
    # Corners may lie a little outside; the memory that drawing takes grows with how far.
    for numbers, side in ((polygon[::2], width), (polygon[1::2], height)):
        if min(numbers) < -side or max(numbers) > 2 * side:
            raise ValueError(f"{said} is beyond an image of {width} x {height} pixels")


def compress(segmentation: Any, size: tuple[int, int]) -> dict[str, Any]:
    """Any COCO segmentation of an image of (H, W) pixels as compressed run lengths.

    Raises:
        ValueError: As `require`.
    """
    from faster_coco_eval.core import mask as rle

    require(segmentation, size)
    height, width = size
    if isinstance(segmentation, list):
        return cast("dict[str, Any]", rle.merge(rle.frPyObjects(segmentation, height, width)))
    if isinstance(segmentation["counts"], list):
        return cast("dict[str, Any]", rle.frPyObjects(segmentation, height, width))
    return cast("dict[str, Any]", segmentation)


def area(segmentation: Any, size: tuple[int, int]) -> int:
    """Pixels of any COCO segmentation of an image of (H, W) pixels.

    Raises:
        ValueError: As `require`.
    """
    from faster_coco_eval.core import mask as rle

    return int(rle.area(compress(segmentation, size)))


def decode(segmentation: Any, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Any COCO segmentation as a (H, W) mask.

    Raises:
        ValueError: As `require`.
    """
    from faster_coco_eval.core import mask as rle

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
