"""Objectives of the Swin models: boxes, and masks with classes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from hourglass.bench.models.detector import FcosDetector
from hourglass.bench.training.scenes import TrainingScenes, scene_objects, scene_segments, stack
from hourglass.bench.training.vit import jitter, segmentation_loss

Targets = list[dict[str, Tensor]]


class DetectorWithClasses(nn.Module):
    """A detector whose finest pyramid level also has to name every pixel's class: dense signal for the Swin.

    Args:
        detector: The model that is trained.
        classes: Number of classes, stuff included.
    """

    def __init__(self, detector: FcosDetector, classes: int) -> None:
        super().__init__()
        self.detector = detector
        self.class_head = nn.Conv2d(detector.fcos.backbone.out_channels, classes, 1)
        self._finest: Tensor | None = None
        detector.fcos.backbone.register_forward_hook(self._keep_finest)

    def _keep_finest(self, module: nn.Module, inputs: object, levels: dict[str, Tensor]) -> None:
        self._finest = levels["0"]

    def losses(self, images: Tensor, targets: Targets, classes: Tensor) -> Tensor:
        """Sum of the detection losses and the cross-entropy of the (B, H, W) classes."""
        boxes = sum(self.detector.losses(images, targets).values())
        assert self._finest is not None
        logits = nn.functional.interpolate(
            self.class_head(self._finest), images.shape[-2:], mode="bilinear", align_corners=False
        )
        return boxes + segmentation_loss(logits, classes)


class SceneBoxes:
    """Boxes (and classes) of whole scenes.

    Args:
        scenes: The training scenes.
        batch: Scenes a step.
    """

    def __init__(self, scenes: TrainingScenes, batch: int) -> None:
        self.scenes, self.batch = scenes, batch

    def __call__(self, model: nn.Module, rng: np.random.Generator) -> Tensor:
        """Loss of one batch."""
        scenes = self.scenes.draw(rng, self.batch)
        images, targets = jitter(stack(scenes, "image"), rng), [scene_objects(scene) for scene in scenes]
        if isinstance(model, DetectorWithClasses):
            return model.losses(images, targets, stack(scenes, "semantic"))
        return torch.stack(list(model.losses(images, targets).values())).sum()  # type: ignore[operator]


class SceneMasks:
    """Masks and classes of all segments of whole scenes: things one by one, each stuff class as one.

    Args:
        scenes: The training scenes.
        batch: Scenes a step.
    """

    def __init__(self, scenes: TrainingScenes, batch: int) -> None:
        self.scenes, self.batch = scenes, batch

    def __call__(self, model: nn.Module, rng: np.random.Generator) -> Tensor:
        """Loss of one batch."""
        scenes = self.scenes.draw(rng, self.batch)
        masks, classes = zip(*(scene_segments(scene) for scene in scenes), strict=True)
        output = model(jitter(stack(scenes, "image"), rng), mask_labels=list(masks), class_labels=list(classes))
        loss: Tensor = output.loss
        return loss.squeeze()
