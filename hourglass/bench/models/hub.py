"""Models of the Hugging Face hub behind the same interface as the project's own.

The checkpoint is downloaded once to the hub's cache, as safetensors; a folder with the same files serves as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from hourglass.bench.datasets.base import Category
from hourglass.bench.datasets.classes import categories
from hourglass.registry import UserError

_CLASSES = {
    "semantic-segmentation": "AutoModelForSemanticSegmentation",
    "depth-estimation": "AutoModelForDepthEstimation",
    "object-detection": "AutoModelForObjectDetection",
    "instance-segmentation": "AutoModelForUniversalSegmentation",
    "panoptic-segmentation": "AutoModelForUniversalSegmentation",
}


@dataclass(frozen=True)
class HubModel:
    """A model with the categories its labels stand for."""

    model: nn.Module
    categories: tuple[Category, ...]


def load(checkpoint: str, task: str) -> HubModel:
    """A checkpoint of the hub, or of a folder, for a task.

    Universal segmenters do not tell things from stuff: all their categories count as things.

    Args:
        checkpoint: ``owner/name`` on the hub, or a folder.
        task: One of the five.

    Raises:
        UserError: It cannot be had, or transformers knows no model of that kind for the task.
    """
    import transformers

    try:
        processor = transformers.AutoImageProcessor.from_pretrained(checkpoint)
        model = getattr(transformers, _CLASSES[task]).from_pretrained(checkpoint, use_safetensors=True)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"model: '{checkpoint}' cannot be loaded for {task}: {reason}") from error
    if model.config.model_type == "oneformer":
        raise UserError(f"model: '{checkpoint}' is a OneFormer, which also wants a text; choose a Mask2Former instead")
    return HubModel(_Adapted(model.eval(), processor, task), _categories(model.config.id2label))


class _Adapted(nn.Module):
    """From images (B, 3, H, W) in [0, 1] to what the project's models return for the task."""

    def __init__(self, model: nn.Module, processor: Any, task: str) -> None:
        super().__init__()
        self.model = model
        self._processor = processor
        self._task = task

    def forward(self, images: Tensor) -> Any:
        size = images.shape[-2:]
        inputs = self._processor(images=list(images), do_rescale=False, return_tensors="pt").to(images.device)
        output = self.model(**inputs)
        match self._task:
            case "semantic-segmentation":
                return F.interpolate(output.logits, size, mode="bilinear", align_corners=False)
            case "depth-estimation":
                return F.interpolate(output.predicted_depth[:, None], size, mode="bilinear", align_corners=False)[:, 0]
            case "object-detection":
                return self._processor.post_process_object_detection(
                    output, threshold=0.05, target_sizes=[tuple(size)] * len(images)
                )
            case _:
                return output


def _categories(names: dict[int, str]) -> tuple[Category, ...]:
    return categories(sorted(names.items()), things=names)
