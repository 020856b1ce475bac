"""Data sets by name: prepare one once, then read a split of it for a task."""

from __future__ import annotations

from hourglass.bench.datasets.base import Category, Dataset, Instances, Panoptic, Sample, Segment, Source
from hourglass.bench.datasets.library import (
    DATASETS,
    artifacts,
    categories,
    is_outdated,
    load,
    names,
    prepare,
    settings,
    tasks,
    tuning_split,
    version,
)

__all__ = [
    "DATASETS",
    "Category",
    "Dataset",
    "Instances",
    "Panoptic",
    "Sample",
    "Segment",
    "Source",
    "artifacts",
    "categories",
    "is_outdated",
    "load",
    "names",
    "prepare",
    "settings",
    "tasks",
    "tuning_split",
    "version",
]
