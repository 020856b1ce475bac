"""A data set: flags of three stripes each, for semantic segmentation."""

from functools import partial
from pathlib import Path

import numpy as np

from hourglass.bench.datasets import DATASETS, Category, Dataset, Source
from hourglass.bench.datasets.folders import RasterDataset
from hourglass.bench.datasets.rasters import read_semantic, write_pixels, write_semantic

COLORS = {"red": (220, 30, 30), "white": (240, 240, 240), "blue": (30, 30, 220)}


class Flags(Source):
    categories = tuple(Category(label, name, False, color) for label, (name, color) in enumerate(COLORS.items()))
    version = "1"
    tasks = ("semantic-segmentation",)
    splits = ("val",)
    evaluation_split = "val"

    def fill(self, folder: Path, split: str) -> None:
        palette = np.array(list(COLORS.values()), np.uint8)
        for index in range(4):
            labels = np.repeat(np.roll(np.arange(3), index), 16)[None].repeat(32, axis=0)
            write_pixels(folder / "images" / f"{index}.png", palette[labels])
            write_semantic(folder / "labels" / f"{index}.png", labels)

    def verify(self, folder: Path, split: str) -> str:
        return self.open(folder, *self.tasks, split).fingerprint

    def open(self, folder: Path, task: str, split: str) -> Dataset:
        reader = partial(read_semantic, values=range(1, 4))
        return RasterDataset.matching("flags", split, self.categories, folder, reader, "images", "labels")


DATASETS.register("flags", Flags())
