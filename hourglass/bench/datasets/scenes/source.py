"""Scenes as a data set: rendered when it is prepared, read like COCO, ADE20K and NYU."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from hourglass.bench.datasets.base import Dataset, Source, fingerprint
from hourglass.bench.datasets.folders import InstancesDataset, PanopticDataset, RasterDataset
from hourglass.bench.datasets.rasters import read_depth, read_semantic
from hourglass.bench.datasets.scenes import EVALUATION_SCENES, VERSION
from hourglass.bench.datasets.scenes.categories import CATEGORIES
from hourglass.bench.datasets.scenes.writer import write_split
from hourglass.registry import UserError

SPLIT = "val"
FILES_PER_SCENE = 4


class _Scenes(Source):
    """The `Source` of scenes: one split, five tasks."""

    categories = CATEGORIES
    version = f"{VERSION}.{EVALUATION_SCENES}"
    tasks = (
        "semantic-segmentation",
        "depth-estimation",
        "object-detection",
        "instance-segmentation",
        "panoptic-segmentation",
    )
    splits = (SPLIT,)
    evaluation_split = SPLIT

    def fill(self, folder: Path, split: str) -> None:
        write_split(folder, split, EVALUATION_SCENES)

    def verify(self, folder: Path, split: str) -> str:
        found = [path for part in ("images", "annotations") for path in (folder / part).rglob("*") if path.is_file()]
        pictures = sum(path.suffix == ".png" for path in found)
        if pictures != FILES_PER_SCENE * EVALUATION_SCENES:
            raise UserError(
                f"{folder}: {pictures} PNG files where {FILES_PER_SCENE * EVALUATION_SCENES} were expected; "
                "delete the folder and prepare the data set again"
            )
        return fingerprint(found, folder)

    def load(self, folder: Path, task: str, split: str) -> Dataset:
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


SOURCE = _Scenes()
