"""Objectives on photographs: CamVid's classes for a Segmenter, BCCD's boxes for a detector."""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hourglass.bench import datasets
from hourglass.bench.datasets.base import IGNORED
from hourglass.bench.models.detector import FcosDetector
from hourglass.bench.models.reference import PATCH
from hourglass.bench.models.segmenter import Segmenter
from hourglass.bench.models.stem import STEM_CHANNELS
from hourglass.bench.training.vit import jitter, recolored, segmentation_loss


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


class SegmenterWithStemClasses(nn.Module):
    """A Segmenter whose convolutional stem also has to tell the classes, which teaches it long before the blocks can.

    Args:
        segmenter: Its encoder has a convolutional stem.
        classes: Number of classes.
    """

    def __init__(self, segmenter: Segmenter, classes: int) -> None:
        super().__init__()
        self.segmenter = segmenter
        self.stem_head = nn.Conv2d(STEM_CHANNELS, classes, kernel_size=1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits (B, K, H, W) of the whole model, and of the stem alone."""
        maps: list[Tensor] = []
        stem = self.segmenter.encoder.patch_embed.stem
        with stem.register_forward_hook(lambda _module, _inputs, output: maps.append(output)):
            logits = self.segmenter.segment(images)
        alone = self.stem_head(maps[0])
        return logits, F.interpolate(alone, images.shape[-2:], mode="bilinear", align_corners=False)


class Classes:
    """Photographs with label maps: zoomed into, stretched, mirrored, shrunk, in other colours, one pasted on another.

    One image a step and many steps: a ViT that knows no photographs yet gains more from a step than from its size.

    Args:
        photos: With label maps.
        scale: Least and largest size of what the encoder sees, as a share of the model's working size.
        classes: Number of classes.
        zoom: Least part of a photograph's sides that is seen.
        pasted: Probability that a part of another photograph is pasted on it (CutMix, arXiv 1905.04899).
        overlap: Weight of the loss of overlap, class by class, which is what the metric asks for.
        stem: Weight of the loss of the stem's own classes, if the model tells them.
    """

    def __init__(
        self,
        photos: Photos,
        scale: tuple[float, float],
        classes: int,
        *,
        zoom: float = 0.7,
        pasted: float = 0.0,
        overlap: float = 0.0,
        stem: float = 0.4,
    ) -> None:
        self.photos, self.scale, self.classes, self.zoom = photos, scale, classes, zoom
        self.pasted, self.overlap, self.stem = pasted, overlap, stem

    @cached_property
    def _weight(self) -> Tensor:
        """Rare classes count more: 1 / log(1.1 + share of the pixels), as in ENet (arXiv 1606.02147, section 5.2)."""
        counts = sum(torch.bincount(s.target[s.target != IGNORED], minlength=self.classes) for s in self.photos.samples)
        assert isinstance(counts, Tensor)
        weight = 1 / torch.log(1.1 + counts / counts.sum())
        return weight / weight.mean()

    def __call__(self, model: nn.Module, rng: np.random.Generator) -> Tensor:
        """Loss of one photograph."""
        segmenter = model.segmenter if isinstance(model, SegmenterWithStemClasses) else model
        assert isinstance(segmenter, Segmenter)
        assert segmenter.working_size is not None
        image, labels = self._draw(segmenter.working_size, rng)
        if segmenter is model:
            return self._loss(segmenter.segment(image), labels)
        logits, alone = model(image)
        return self._loss(logits, labels) + self.stem * segmentation_loss(alone, labels, self._weight)

    def _draw(self, working_size: tuple[int, int], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Image (1, 3, H, W) in [0, 1] and labels (1, H, W)."""
        scale = rng.uniform(*self.scale)
        height, width = (PATCH * round(side * scale / PATCH) for side in working_size)
        (image, labels), other = (
            self._seen(self.photos.samples[index], (height, width), rng)
            for index in rng.choice(len(self.photos.samples), 2, replace=False)
        )
        if rng.random() < self.pasted:
            rows, columns = (_stretch(side, rng.uniform(0.3, 0.8), rng) for side in (height, width))
            image[..., rows, columns], labels[..., rows, columns] = (part[..., rows, columns] for part in other)
        return image, labels

    def _seen(self, sample: datasets.Sample, size: tuple[int, int], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        image, labels = _zoomed(sample, size, self.zoom, rng)
        return recolored(image, rng), labels

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        loss = segmentation_loss(logits, labels, self._weight)
        return loss + self.overlap * _overlap_loss(logits, labels) if self.overlap else loss


def _overlap_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """1 less the soft intersection over union, in the mean over the classes there are."""
    counted = (labels != IGNORED)[:, None]
    truth = F.one_hot(labels.where(labels != IGNORED, 0), logits.shape[1]).movedim(-1, 1) * counted
    likely = logits.softmax(dim=1) * counted
    common = (likely * truth).sum(dim=(0, 2, 3))
    union = (likely + truth).sum(dim=(0, 2, 3)) - common
    return 1 - (common / union.clamp(min=1))[truth.sum(dim=(0, 2, 3)) > 0].mean()


def _zoomed(
    sample: datasets.Sample, size: tuple[int, int], least: float, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Image (1, 3, H, W) in [0, 1] and labels (1, H, W) of a part of a photograph, at another shape, maybe mirrored."""
    zoom, aspect = rng.uniform(least, 1.0), math.exp(rng.uniform(-0.18, 0.18))
    height, width = sample.target.shape
    rows, columns = _stretch(height, min(1.0, zoom * aspect), rng), _stretch(width, min(1.0, zoom / aspect), rng)
    image = sample.image[None, :, rows, columns].float() / 255
    labels = sample.target[None, None, rows, columns].float()
    if rng.random() < 0.5:
        image, labels = image.flip(-1), labels.flip(-1)
    image = F.interpolate(image, size, mode="bilinear", antialias=True)
    return image, F.interpolate(labels, size, mode="nearest")[0].long()


def _stretch(side: int, share: float, rng: np.random.Generator) -> slice:
    """A random stretch of a side that is this share of it."""
    length = int(side * share)
    start = int(rng.integers(side - length + 1))
    return slice(start, start + length)


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
