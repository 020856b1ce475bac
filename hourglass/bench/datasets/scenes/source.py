"""Scenes as a data set: rendered when it is prepared, read like COCO, ADE20K and NYU."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from hourglass.bench.datasets.base import Dataset, Source, fingerprint
from hourglass.bench.datasets.folders import InstancesDataset, PanopticDataset, RasterDataset
from hourglass.bench.datasets.rasters import read_depth, read_semantic
from hourglass.bench.datasets.scenes import COUNTS, VERSION
from hourglass.bench.datasets.scenes.categories import CATEGORIES
from hourglass.bench.datasets.scenes.writer import write_split
from hourglass.registry import UserError

PICTURES_PER_SCENE = 4


class _Scenes(Source):
    """The `Source` of scenes: two splits, five tasks."""

    categories = CATEGORIES
    version = f"{VERSION}.{COUNTS['val']}"
    tasks = (
        "semantic-segmentation",
        "depth-estimation",
        "object-detection",
        "instance-segmentation",
        "panoptic-segmentation",
    )
    splits = tuple(COUNTS)
    evaluation_split = "val"

    def fill(self, folder: Path, split: str) -> None:
        write_split(folder, split, COUNTS[split])

    def verify(self, folder: Path, split: str) -> str:
        found = [path for part in ("images", "annotations") for path in (folder / part).rglob("*") if path.is_file()]
        found = [path for path in found if _is_of(split, path.relative_to(folder))]
        pictures, expected = sum(path.suffix == ".png" for path in found), PICTURES_PER_SCENE * COUNTS[split]
        if pictures != expected:
            raise UserError(
                f"{folder}: {pictures} PNG files of the split '{split}' where {expected} were expected; move the "
                "folder away and prepare the data set again"
            )
        return fingerprint(found, folder)

    def open(self, folder: Path, task: str, split: str) -> Dataset:
        annotations = folder / "annotations"
        common = ("scenes", split, CATEGORIES, folder)
        if task == "semantic-segmentation":
            reader = partial(read_semantic, values=range(1, len(CATEGORIES) + 1))
            return RasterDataset.matching(*common, reader, f"images/{split}", f"annotations/semantic/{split}")
        if task == "depth-estimation":
            return RasterDataset.matching(*common, read_depth, f"images/{split}", f"annotations/depth/{split}")
        kind, dataset = (
            ("panoptic", PanopticDataset) if task == "panoptic-segmentation" else ("instances", InstancesDataset)
        )
        return dataset(*common, folder / "images" / split, annotations / f"{kind}_{split}.json")


def _is_of(split: str, path: Path) -> bool:
    """Whether a file belongs to a split: it lies in a folder of its name, or is named after it."""
    return any(part == split or part.endswith(f"_{split}") for part in (*path.parent.parts, path.stem))


SOURCE = _Scenes()
