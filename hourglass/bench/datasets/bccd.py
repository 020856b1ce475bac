"""BCCD: photographs of blood smears with boxes around the cells, for object detection.

github.com/Shenggan/BCCD_Dataset, MIT licence: 364 images of 640 x 480 pixels, of which 205 train, 87 val, 72 test.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from hourglass.bench.datasets.base import Category, Dataset, Source
from hourglass.bench.datasets.downloads import check, download, manifest
from hourglass.bench.datasets.voc import VocDataset

COMMIT = "d272fb14cdff6e473fafeeeba32aba5f560e9e43"
URL = f"https://raw.githubusercontent.com/Shenggan/BCCD_Dataset/{COMMIT}/BCCD/"

CATEGORIES = (
    Category(1, "RBC", True, (220, 60, 60)),
    Category(2, "WBC", True, (90, 90, 220)),
    Category(3, "Platelets", True, (240, 190, 40)),
)
"""Red cells, white cells, platelets."""


class _Bccd(Source):
    """The `Source` of BCCD."""

    categories = CATEGORIES
    version = COMMIT
    tasks = ("object-detection",)
    splits = ("train", "val", "test")
    evaluation_split = "test"

    def fill(self, folder: Path, split: str) -> None:
        download("bccd", URL, manifest("bccd", split), folder)

    def verify(self, folder: Path, split: str) -> str:
        check("bccd", manifest("bccd", split), folder)
        return self.open(folder, *self.tasks, split).fingerprint

    def open(self, folder: Path, task: str, split: str) -> Dataset:
        stems = sorted(PurePosixPath(path).stem for path in manifest("bccd", split) if path.endswith(".xml"))
        return VocDataset("bccd", split, CATEGORIES, folder, tuple(stems))


SOURCE = _Bccd()
