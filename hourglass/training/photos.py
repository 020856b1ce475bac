"""Objectives on photographs: CamVid's classes for a Segmenter, BCCD's boxes for a detector."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hourglass import datasets
from hourglass.datasets.base import IGNORED
from hourglass.models.detector import Detector
from hourglass.models.reference import PATCH
from hourglass.models.segmenter import Segmenter
from hourglass.training.vit import jitter, recolored, segmentation_loss


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
        split = datasets.load(self.name, self.task, root=self.root, split="train")
        return [split[index] for index in range(len(split))]


class Classes:
    """Photographs with label maps: zoomed into, mirrored, shrunk, in other colours.

    Few images a step and many steps: a ViT that knows no photographs yet gains more from a step than from its size.

    Args:
        photos: With label maps.
        batch: Photographs a step, all of the same size.
        scale: Least and largest size of what the encoder sees, as a share of the model's working size.
        classes: Number of classes.
        overlap: Ask also for overlap, class by class, which is what the metric asks for.
    """

    def __init__(
        self, photos: Photos, batch: int, scale: tuple[float, float], classes: int, *, overlap: bool = False
    ) -> None:
        self.photos, self.batch, self.scale, self.classes, self.overlap = photos, batch, scale, classes, overlap

    @cached_property
    def _weight(self) -> Tensor:
        """Rare classes count more: 1 / log(1.1 + share of the pixels), as in ENet (arXiv 1606.02147, section 5.2)."""
        counts = sum(torch.bincount(s.target[s.target != IGNORED], minlength=self.classes) for s in self.photos.samples)
        assert isinstance(counts, Tensor)
        weight = 1 / torch.log(1.1 + counts / counts.sum())
        return weight / weight.mean()

    def __call__(self, model: nn.Module, rng: np.random.Generator) -> Tensor:
        """Loss of one batch."""
        assert isinstance(model, Segmenter)
        assert model.working_size is not None
        scale = rng.uniform(*self.scale)
        height, width = (PATCH * round(side * scale / PATCH) for side in model.working_size)
        chosen = rng.choice(len(self.photos.samples), self.batch, replace=False)
        pairs = [_zoomed(self.photos.samples[index], (height, width), rng) for index in chosen]
        images, labels = (torch.stack(part) for part in zip(*pairs, strict=True))
        logits = model.segment(recolored(images, rng))
        loss = segmentation_loss(logits, labels, self._weight)
        return loss + _overlap_loss(logits, labels) if self.overlap else loss


def _overlap_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """1 less the soft intersection over union, in the mean over the classes there are."""
    counted = (labels != IGNORED)[:, None]
    truth = F.one_hot(labels.where(labels != IGNORED, 0), logits.shape[1]).movedim(-1, 1) * counted
    likely = logits.softmax(dim=1) * counted
    common = (likely * truth).sum(dim=(0, 2, 3))
    union = (likely + truth).sum(dim=(0, 2, 3)) - common
    return 1 - (common / union.clamp(min=1))[truth.sum(dim=(0, 2, 3)) > 0].mean()


def _zoomed(sample: datasets.Sample, size: tuple[int, int], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Image (3, H, W) in [0, 1] and labels (H, W): a part of the photograph, seven tenths to all of its sides."""
    height, width = sample.target.shape
    zoom = rng.uniform(0.7, 1.0)
    rows, columns = int(height * zoom), int(width * zoom)
    top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
    image = sample.image[None, :, top : top + rows, left : left + columns].float() / 255
    label = sample.target[None, None, top : top + rows, left : left + columns].float()
    if rng.random() < 0.5:
        image, label = image.flip(-1), label.flip(-1)
    image = F.interpolate(image, size, mode="bilinear", antialias=True)
    return image[0], F.interpolate(label, size, mode="nearest")[0, 0].long()


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
        assert isinstance(model, Detector)
        images, targets = [], []
        for index in rng.choice(len(self.photos.samples), self.batch, replace=False):
            sample = self.photos.samples[index]
            image, boxes = sample.image.float() / 255, sample.target.boxes.clone()
            height, width = image.shape[-2:]
            if rng.random() < 0.5:
                image, boxes[:, [0, 2]] = image.flip(-1), width - boxes[:, [2, 0]]
            if rng.random() < 0.5:
                image, boxes[:, [1, 3]] = image.flip(-2), height - boxes[:, [3, 1]]
            images.append(image)
            targets.append({"boxes": boxes, "labels": sample.target.labels})
        losses = model.losses(jitter(torch.stack(images), rng), targets)
        return torch.stack(list(losses.values())).sum()
