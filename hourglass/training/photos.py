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
from hourglass.training.crops import encode_crop
from hourglass.training.vit import jitter, segmentation_loss


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


class CropsOfClasses:
    """Square crops of mirrored, rescaled photographs with label maps.

    Args:
        photos: With label maps.
        batch: Crops a step, all of the same scale, each at a place of its own.
        side: Of the crop, in tokens; None takes whole photographs at the model's working size.
        classes: Number of classes.
    """

    def __init__(self, photos: Photos, batch: int, side: int | None, classes: int) -> None:
        self.photos, self.batch, self.side, self.classes = photos, batch, side, classes

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
        scale = 1.0 if self.side is None else rng.uniform(0.8, 1.4)
        grid = (round(model.working_size[0] * scale / PATCH), round(model.working_size[1] * scale / PATCH))
        rows, columns = grid if self.side is None else (self.side, self.side)

        images, labels, places = [], [], []
        for index in rng.choice(len(self.photos.samples), self.batch, replace=False):
            image, label = _resized(self.photos.samples[index], (grid[0] * PATCH, grid[1] * PATCH))
            if rng.random() < 0.5:
                image, label = image.flip(-1), label.flip(-1)
            top, left = int(rng.integers(0, grid[0] - rows + 1)), int(rng.integers(0, grid[1] - columns + 1))
            y, x = slice(top * PATCH, (top + rows) * PATCH), slice(left * PATCH, (left + columns) * PATCH)
            images.append(image[:, y, x])
            labels.append(label[y, x])
            places.append((top, left))
        tokens, _ = encode_crop(model.encoder, jitter(torch.stack(images), rng), grid, places)
        logits = model.decoder(tokens).transpose(1, 2).unflatten(2, (rows, columns))
        target = torch.stack(labels)
        logits = F.interpolate(logits, target.shape[-2:], mode="bilinear", align_corners=False)
        return segmentation_loss(logits, target, self._weight)


def _resized(sample: datasets.Sample, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Image (3, H, W) in [0, 1] and labels (H, W) at another size."""
    image = F.interpolate(sample.image[None].float() / 255, size, mode="bilinear", antialias=True)[0]
    return image, F.interpolate(sample.target[None, None].float(), size, mode="nearest")[0, 0].long()


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
