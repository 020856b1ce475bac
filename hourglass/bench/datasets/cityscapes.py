"""Cityscapes: streets of 50 cities from a driving car, finely annotated.

Cordts et al., *The Cityscapes Dataset for Semantic Urban Scene Understanding*, CVPR 2016: 500 validation images of
2048 x 1024 pixels. Its terms ask for an account and forbid to pass the files on.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from hourglass.bench.datasets.archive_source import Archive, ArchiveSource
from hourglass.bench.datasets.base import Dataset
from hourglass.bench.datasets.classes import categories
from hourglass.bench.datasets.folders import RasterDataset
from hourglass.bench.datasets.rasters import is_image, read_semantic

CATEGORIES = categories(
    (
        (7, "road"),
        (8, "sidewalk"),
        (11, "building"),
        (12, "wall"),
        (13, "fence"),
        (17, "pole"),
        (19, "traffic light"),
        (20, "traffic sign"),
        (21, "vegetation"),
        (22, "terrain"),
        (23, "sky"),
        (24, "person"),
        (25, "rider"),
        (26, "car"),
        (27, "truck"),
        (28, "bus"),
        (31, "train"),
        (32, "motorcycle"),
        (33, "bicycle"),
    )
)
"""The 19 that are evaluated, by train id, with their numbers in the ``labelIds`` files; all others are ignored."""


class _Cityscapes(ArchiveSource):
    """The `Source` of Cityscapes."""

    name = "cityscapes"
    categories = CATEGORIES
    version = "fine"
    tasks = ("semantic-segmentation",)
    splits = ("val",)
    evaluation_split = "val"
    archives = (
        Archive("cityscapes-leftimg8bit", ("leftImg8bit/val/*_leftImg8bit.png",)),
        Archive("cityscapes-gtfine", ("gtFine/val/*_gtFine_labelIds.png",)),
    )
    images = 500

    def open(self, folder: Path, task: str, split: str) -> Dataset:
        paths = [
            (
                image,
                folder / "gtFine" / split / image.parent.name / image.name.replace("leftImg8bit", "gtFine_labelIds"),
            )
            for image in sorted((folder / "leftImg8bit" / split).glob("*/*_leftImg8bit.png"))
            if is_image(image)
        ]
        reader = partial(read_semantic, values=[category.id for category in CATEGORIES])
        return RasterDataset(self.name, split, CATEGORIES, folder, paths, reader)


SOURCE = _Cityscapes()
