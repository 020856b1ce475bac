"""Data sets by name: prepare one once, then read a split of it for a task."""

from __future__ import annotations

from hourglass.bench.datasets.base import Category, Dataset, Instances, Panoptic, Sample, Segment
from hourglass.bench.datasets.library import artifacts, categories, load, names, prepare, settings, tasks, version

__all__ = [
    "Category",
    "Dataset",
    "Instances",
    "Panoptic",
    "Sample",
    "Segment",
    "artifacts",
    "categories",
    "load",
    "names",
    "prepare",
    "settings",
    "tasks",
    "version",
]
