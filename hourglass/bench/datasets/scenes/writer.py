"""Scenes on disk, in the formats of COCO (instances, panoptic), ADE20K (label PNG) and NYU (16-bit depth PNG)."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from hourglass.bench.datasets.base import Panoptic, Segment
from hourglass.bench.datasets.coco import files, masks, panoptic
from hourglass.bench.datasets.rasters import write_depth, write_pixels, write_semantic
from hourglass.bench.datasets.scenes import IMAGE_SIZE
from hourglass.bench.datasets.scenes.categories import CATEGORIES
from hourglass.bench.datasets.scenes.render import Scene, render_scene
from hourglass.bench.storage.cores import available_cores

Annotations = dict[str, Any]


def write_split(root: Path, split: str, count: int) -> None:
    """Render the first ``count`` scenes of a split and write them below ``root``; what is there is written over."""
    with ProcessPoolExecutor(available_cores()) as pool:
        drawn = pool.map(partial(_write_scene, root, split), range(count), chunksize=4)
        parts = list(track(drawn, f"rendering scenes/{split}", total=count, transient=True))

    images = [files.ImageInfo(index, file_name(index), *IMAGE_SIZE) for index in range(count)]
    instances = [annotation for objects, _ in parts for annotation in objects]
    numbered = [annotation | {"id": number} for number, annotation in enumerate(instances, start=1)]
    things = [category for category in CATEGORIES if category.isthing]
    files.write(root / f"annotations/instances_{split}.json", images, things, numbered)
    files.write(root / f"annotations/panoptic_{split}.json", images, CATEGORIES, [segments for _, segments in parts])


def file_name(index: int) -> str:
    """Of every PNG of a scene."""
    return f"{index:06d}.png"


def _write_scene(root: Path, split: str, index: int) -> tuple[list[Annotations], Annotations]:
    scene, name = render_scene(split, index), file_name(index)
    write_pixels(root / "images" / split / name, scene.image)
    write_semantic(root / "annotations/semantic" / split / name, scene.semantic)
    write_depth(root / "annotations/depth" / split / name, scene.depth)
    segments = to_panoptic(scene)
    panoptic.write_png(root / f"annotations/panoptic_{split}" / name, segments)
    objects = [
        masks.annotate(
            segments.ids.numpy() == segment.id, id=0, image_id=index, category_id=CATEGORIES[segment.label].id
        )
        for segment in segments.segments
        if CATEGORIES[segment.label].isthing
    ]
    return objects, panoptic.annotate(segments, image_id=index, file_name=name, categories=CATEGORIES)


def to_panoptic(scene: Scene) -> Panoptic:
    """The scene's panoptic map: every thing a segment of its own, every stuff class one; ids start at 1."""
    import torch

    keys = scene.instance.astype(np.int64) * len(CATEGORIES) + scene.semantic
    present, ids, areas = np.unique(keys, return_inverse=True, return_counts=True)
    segments = tuple(
        Segment(id=number, label=int(key) % len(CATEGORIES), area=int(area))
        for number, (key, area) in enumerate(zip(present, areas, strict=True), start=1)
    )
    return Panoptic(torch.from_numpy(ids.reshape(keys.shape) + 1), segments)
