"""A task, a metric, a method, a model and two data sets that cost nothing, not even an import of torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hourglass.bench import downloads
from hourglass.bench.datasets import DATASETS, Source
from hourglass.bench.models import MODELS, ModelCard
from hourglass.bench.storage.files import digest
from hourglass.bench.tasks import METRICS, TASKS, Metric
from hourglass.methods import METHODS


@TASKS.register("looking")
class Looking:
    name = "looking"


@METRICS.register("looking/miou")
class Overlap:
    metrics = (Metric("miou", "mIoU", "fraction", True, "mean intersection over union"),)


class Squeeze:
    """Any settings will do."""

    def resolve(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        return dict(settings)


class Near(Source):
    """One file, which is made."""

    categories = ()
    version = "1"
    tasks = ("looking",)
    splits = ("all",)
    evaluation_split = "all"

    def fill(self, folder: Path, split: str) -> None:
        (folder / "thing.txt").write_text("a near thing")

    def verify(self, folder: Path, split: str) -> str:
        return digest(folder / "thing.txt")


class Far(Near):
    """One file, which is made of a download."""

    artifacts = ("thing",)

    def fill(self, folder: Path, split: str) -> None:
        (folder / "thing.txt").write_bytes(downloads.fetch("thing", root=folder.parent).read_bytes())


METHODS.register("squeeze", Squeeze())
MODELS.register("eye", ModelCard(name="eye", tasks=("looking",), dataset="near", image_size=(8, 8), builder=object))
DATASETS.register("near", Near())
DATASETS.register("far", Far())
