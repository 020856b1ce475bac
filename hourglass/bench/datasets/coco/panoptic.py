"""COCO's panoptic format: a PNG of segment ids beside a list of segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hourglass.bench.datasets.base import Category, Panoptic, Segment
from hourglass.bench.datasets.coco.files import label_of
from hourglass.bench.datasets.rasters import read_pixels, write_pixels
from hourglass.registry import UserError


def rgb_to_ids(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(H, W, 3) colours to (H, W) segment ids, R + 256 G + 256^2 B."""
    ids: NDArray[np.int64] = pixels[..., :3].astype(np.int64) @ np.array([1, 256, 256**2])
    return ids


def ids_to_rgb(ids: NDArray[Any]) -> NDArray[np.uint8]:
    """(H, W) segment ids below 256^3 to (H, W, 3) colours."""
    pixels: NDArray[np.uint8] = (ids.astype(np.int64)[..., None] // np.array([1, 256, 256**2]) % 256).astype(np.uint8)
    return pixels


def read(annotation: Mapping[str, Any], folder: Path, categories: Sequence[Category]) -> Panoptic:
    """One image's panoptic map.

    Args:
        annotation: Its entry in the JSON file.
        folder: Where the PNGs are.
        categories: The data set's.

    Raises:
        UserError: The PNG is missing, or PNG and list do not fit together.
    """
    import torch

    path = folder / annotation["file_name"]
    pixels = read_pixels(path)
    channels = 1 if pixels.ndim == 2 else pixels.shape[-1]
    if channels < 3:
        raise UserError(f"{path}: has {channels} channels; a panoptic PNG has three")
    ids = rgb_to_ids(pixels)
    present, areas = np.unique(ids, return_counts=True)
    area_of = dict(zip(present.tolist(), areas.tolist(), strict=True))
    labels = label_of(categories)
    segments = []
    for info in annotation["segments_info"]:
        if info["category_id"] not in labels:
            raise UserError(f"{path}: segment {info['id']} has the unknown category_id {info['category_id']}")
        if info["id"] not in area_of:
            raise UserError(f"{path}: segment {info['id']} of the JSON file has no pixel in the PNG")
        segments.append(
            Segment(info["id"], labels[info["category_id"]], area_of.pop(info["id"]), bool(info.get("iscrowd", 0)))
        )
    area_of.pop(0, None)
    if area_of:
        raise UserError(f"{path}: segments {sorted(area_of)} of the PNG are not in the JSON file")
    return Panoptic(torch.from_numpy(ids), tuple(segments))


def annotate(panoptic: Panoptic, *, image_id: int, file_name: str, categories: Sequence[Category]) -> dict[str, Any]:
    """One image's entry in the JSON file; write its PNG with `write_png`."""
    ids = panoptic.ids.numpy()
    return {
        "image_id": image_id,
        "file_name": file_name,
        "segments_info": [
            {
                "id": segment.id,
                "category_id": categories[segment.label].id,
                "area": segment.area,
                "bbox": _box(ids == segment.id),
                "iscrowd": int(segment.crowd),
            }
            for segment in panoptic.segments
        ],
    }


def write_png(path: Path, panoptic: Panoptic) -> None:
    """Write the map's ids as colours; folders are made."""
    write_pixels(path, ids_to_rgb(panoptic.ids.numpy()))


def _box(mask: NDArray[np.bool_]) -> list[int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return [0, 0, 0, 0]
    return [int(columns[0]), int(rows[0]), int(columns[-1] - columns[0] + 1), int(rows[-1] - rows[0] + 1)]
