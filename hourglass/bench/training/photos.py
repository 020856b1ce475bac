"""Objectives on photographs: BCCD's boxes for a detector."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from hourglass.bench import datasets
from hourglass.bench.models.detector import FcosDetector
from hourglass.bench.training.vit import jitter


class Photos:
    """The ``train`` split of a data set of photographs, in memory.

    Args:
        name: Of the data set.
        task: Which targets.
        root: Folder of the data sets; the data set is prepared there if it is not.
    """

    def __init__(self, name: str, task: str, root: Path) -> None:
        self.name, self.task, self.root = name, task, root

    @cached_property
    def samples(self) -> list[datasets.Sample]:
        """All of them, in order."""
        datasets.prepare(self.name, root=self.root, split="train")
        split = datasets.open_split(self.name, self.task, root=self.root, split="train")
        return [split[index] for index in range(len(split))]


class Boxes:
    """Whole photographs with boxes, mirrored along both axes: blood cells have no up and down.

    Args:
        photos: With boxes.
        batch: Photographs a step.
    """

    def __init__(self, photos: Photos, batch: int) -> None:
        self.photos, self.batch = photos, batch

    def __call__(self, model: nn.Module, rng: np.random.Generator) -> Tensor:
        """Loss of one batch."""
        assert isinstance(model, FcosDetector)
        images, targets = [], []
        for index in rng.choice(len(self.photos.samples), self.batch, replace=False):
            image, target = mirrored(self.photos.samples[index], rng.random() < 0.5, rng.random() < 0.5)
            images.append(image)
            targets.append(target)
        losses = model.losses(jitter(torch.stack(images), rng), targets)
        return torch.stack(list(losses.values())).sum()


def mirrored(sample: datasets.Sample, horizontally: bool, vertically: bool) -> tuple[Tensor, dict[str, Tensor]]:
    """A photograph (3, H, W) in [0, 1], and its ``boxes`` (N, 4) in pixels and ``labels`` (N,)."""
    image, boxes = sample.image.float() / 255, sample.target.boxes.clone()
    height, width = image.shape[-2:]
    if horizontally:
        image, boxes[:, [0, 2]] = image.flip(-1), width - boxes[:, [2, 0]]
    if vertically:
        image, boxes[:, [1, 3]] = image.flip(-2), height - boxes[:, [3, 1]]
    return image, {"boxes": boxes, "labels": sample.target.labels}
