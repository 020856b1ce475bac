"""Objective of the mask detector's heads: masks of boxes, and classes, on features that are not trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import roi_align

from hourglass.bench.models.masks import MaskDetector
from hourglass.bench.training.scenes import TrainingScenes, scene_objects, stack
from hourglass.bench.training.vit import jitter, segmentation_loss

BOXES = 2
"""For each object, moved differently: the head learns to do with what a detector finds."""
MOVED = 0.08
"""Standard deviation of a side of these boxes, in widths and heights of the object."""


class MasksAndClasses:
    """Masks in boxes about the objects, and classes, of whole scenes.

    Args:
        scenes: The training scenes.
        batch: Scenes a step.
    """

    def __init__(self, scenes: TrainingScenes, batch: int) -> None:
        self.scenes, self.batch = scenes, batch

    def __call__(self, model: MaskDetector, rng: np.random.Generator) -> Tensor:
        """Loss of one batch."""
        scenes = self.scenes.draw(rng, self.batch)
        images = jitter(stack(scenes, "image"), rng)
        fine = model.heads.fine(*_frozen(model, images))
        logits = F.interpolate(model.heads.semantic(fine), images.shape[-2:], mode="bilinear")
        loss = segmentation_loss(logits, stack(scenes, "semantic"))

        objects = [scene_objects(scene) for scene in scenes]
        boxes = [_moved(one["boxes"].repeat_interleave(BOXES, 0), rng) for one in objects]
        found = model.heads.masks(fine, boxes, model.stride)
        if not len(found):
            return loss
        masks = torch.cat([one["masks"] for one in objects])[:, None]
        truth = roi_align(masks, list(torch.cat(boxes).split(BOXES)), found.shape[-1], sampling_ratio=4, aligned=True)
        return loss + mask_loss(found, truth)


def mask_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy and dice loss of masks (N, 1, h, w); the truth is from 0 to 1."""
    probability = logits.sigmoid()
    both = 2 * (probability * truth).sum((1, 2, 3)) + 1
    dice = 1 - both / (probability.sum((1, 2, 3)) + truth.sum((1, 2, 3)) + 1)
    return F.binary_cross_entropy_with_logits(logits, truth) + dice.mean()


def _frozen(model: MaskDetector, images: Tensor) -> tuple[Tensor, Tensor]:
    """What the heads read, in bfloat16 on the way: faster where the processor has it."""
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        transform: Any = model.fcos.transform
        early, last = model.features(transform(list(images))[0].tensors)
    return early.float(), last.float()


def _moved(boxes: Tensor, rng: np.random.Generator) -> Tensor:
    """Boxes (N, 4) with every side somewhat elsewhere."""
    sizes = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
    return boxes + sizes * torch.from_numpy(rng.normal(0, MOVED, boxes.shape).astype(np.float32))
