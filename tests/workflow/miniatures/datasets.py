"""Some of the project's data sets with few images, as ``small-<name>``."""

from __future__ import annotations

from copy import copy

from hourglass.bench.datasets import DATASETS

for name, images in {"ade20k": 2, "coco": 3, "nyuv2": 2}.items():
    source = copy(DATASETS.get(name))
    source.name, source.images = f"small-{name}", images
    DATASETS.register(source.name, source)
