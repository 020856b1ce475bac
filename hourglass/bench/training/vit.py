"""Objectives of the plain ViT models: semantic classes and depth, together and apart."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hourglass.bench.datasets.base import IGNORED
from hourglass.bench.datasets.scenes import IMAGE_SIZE, MAX_DEPTH
from hourglass.bench.models.depth import DepthEstimator
from hourglass.bench.models.reference import PATCH, WIDTH
from hourglass.bench.models.segmenter import Segmenter
from hourglass.bench.training.crops import encode_crop
from hourglass.bench.training.scenes import TrainingScenes, stack

GRID = (IMAGE_SIZE[0] // PATCH, IMAGE_SIZE[1] // PATCH)


class ClassesAndDepth(nn.Module):
    """A Segmenter whose encoder also has to tell the depth: what both ViT models are warm-started from.

    Args:
        segmenter: The model whose encoder is trained.
        depth_cells: Depth values per token and axis.
    """

    def __init__(self, segmenter: Segmenter, depth_cells: int = 2) -> None:
        super().__init__()
        self.segmenter = segmenter
        self.depth_head = nn.Linear(WIDTH, depth_cells**2)
        self.depth_cells = depth_cells

    def forward(self, images: Tensor, top: int, left: int) -> tuple[Tensor, Tensor]:
        """Class logits (B, K, H, W) and log-depth (B, H, W) of crops (B, 3, H, W).

        Args:
            images: Crops, all of the same place.
            top: The place, in tokens: which position embeddings they get.
            left: Likewise.
        """
        tokens, (rows, columns) = encode_crop(self.segmenter.encoder, images, GRID, [(top, left)] * len(images))
        scores = self.segmenter.decoder(tokens).transpose(1, 2).unflatten(2, (rows, columns))
        logs = self.depth_head(tokens).transpose(1, 2).unflatten(2, (rows, columns))
        logs = F.pixel_shuffle(logs, self.depth_cells)
        size = images.shape[-2:]
        scores = F.interpolate(scores, size, mode="bilinear", align_corners=False)
        return scores, F.interpolate(logs, size, mode="bilinear", align_corners=False)[:, 0]


class CropsOfClassesAndDepth:
    """Square crops at their own place: the encoder sees the position embeddings of the crop, as in the whole image.

    Args:
        scenes: The training scenes.
        batch: Crops a step, all of the same place.
        side: Of the crop, in tokens.
    """

    def __init__(self, scenes: TrainingScenes, batch: int, side: int) -> None:
        self.scenes, self.batch, self.side = scenes, batch, side

    def __call__(self, model: nn.Module, rng: np.random.Generator) -> Tensor:
        """Loss of one batch."""
        top, left = (int(rng.integers(0, cells - self.side + 1)) for cells in GRID)
        window = tuple(slice(at * PATCH, (at + self.side) * PATCH) for at in (top, left))
        scenes = self.scenes.draw(rng, self.batch, window)  # type: ignore[arg-type]
        logits, logs = model(jitter(stack(scenes, "image"), rng), top, left)
        return segmentation_loss(logits, stack(scenes, "semantic")) + depth_loss(logs, stack(scenes, "depth"))


class WholeScenes:
    """Whole scenes for a Segmenter or a DepthEstimator, or both jobs at once.

    Args:
        scenes: The training scenes.
        batch: Scenes a step.
    """

    def __init__(self, scenes: TrainingScenes, batch: int) -> None:
        self.scenes, self.batch = scenes, batch

    def __call__(self, model: nn.Module, rng: np.random.Generator) -> Tensor:
        """Loss of one batch."""
        scenes = self.scenes.draw(rng, self.batch)
        output = model(jitter(stack(scenes, "image"), rng))
        if isinstance(model, DepthEstimator):
            return depth_loss(output.log(), stack(scenes, "depth"))
        return segmentation_loss(output, stack(scenes, "semantic"))


def segmentation_loss(logits: Tensor, classes: Tensor, weight: Tensor | None = None) -> Tensor:
    """Cross-entropy of (B, K, H, W) logits; 255 is ignored."""
    return F.cross_entropy(logits, classes, weight, ignore_index=IGNORED)


def depth_loss(logs: Tensor, depth: Tensor) -> Tensor:
    """Mean absolute error of the logarithm, and of its gradients, where there is depth (B, H, W)."""
    valid = depth > 0
    error = torch.where(valid, logs - depth.clamp(min=0.1, max=MAX_DEPTH).log(), 0.0)
    down, right = error.diff(dim=-2).abs(), error.diff(dim=-1).abs()
    return (error.abs().sum() + 0.5 * (down.sum() + right.sum())) / valid.sum().clamp(min=1)


def jitter(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Brightness, contrast and colour of (B, 3, H, W) images in [0, 1], changed a little, image by image."""
    shape = (len(images), 1, 1, 1)
    gain = torch.from_numpy(rng.uniform(0.75, 1.25, shape).astype(np.float32))
    tint = torch.from_numpy(rng.uniform(0.92, 1.08, (len(images), 3, 1, 1)).astype(np.float32))
    lift = torch.from_numpy(rng.uniform(-0.08, 0.08, shape).astype(np.float32))
    return (images * gain * tint + lift).clamp(0, 1)
