"""Data sets by name: prepare one once, then read a split of it for a task."""

from __future__ import annotations

from hourglass.bench.datasets.base import Category, Dataset, Instances, Panoptic, Sample, Segment, Source
from hourglass.bench.datasets.library import (
    DATASETS,
    is_outdated,
    open_split,
    prepare,
    tuning_split,
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
    "is_outdated",
    "open_split",
    "prepare",
    "tuning_split",
]
