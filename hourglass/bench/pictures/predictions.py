"""Draws the prediction (or the target) of each task over its image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor
from torchvision.utils import draw_segmentation_masks

from hourglass.bench.datasets.base import IGNORED, Category, Panoptic
from hourglass.bench.tasks.base import Detections

OPACITY = 0.6
SURE = 0.5
"""Score from which on an object is drawn."""

Categories = Sequence[Category]


def draw(task: str, image: Tensor, prediction: Any, categories: Categories) -> NDArray[np.uint8]:
    """A prediction over its image.

    Args:
        task: Name of the task.
        image: (3, H, W) uint8 RGB.
        prediction: What the task's `predict` returns for the image.
        categories: Of its labels.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    return _PAINTERS[task](image, prediction, categories)


def _semantic(image: Tensor, labels: Tensor, categories: Categories) -> NDArray[np.uint8]:
    palette = np.zeros((IGNORED + 1, 3), np.uint8)
    palette[: len(categories)] = [category.color for category in categories]
    return _blend(image, palette[labels.numpy()])


def _depth(image: Tensor, depth: Tensor, categories: Categories) -> NDArray[np.uint8]:
    """Near is bright; the scale is logarithmic, as errors of depth are relative."""
    logs = depth.clamp(min=1e-3).log()
    low, high = torch.quantile(logs, torch.tensor([0.01, 0.99]))
    shade = 1 - ((logs - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)
    painted: NDArray[np.uint8] = colormaps["magma"](shade.numpy(), bytes=True)[..., :3]
    return painted


def _objects(image: Tensor, found: Detections, categories: Categories) -> NDArray[np.uint8]:
    sure = found.scores >= SURE
    labels = found.labels[sure].tolist()
    if found.masks is not None and labels:
        colors = [categories[label].color for label in labels]
        image = draw_segmentation_masks(image, found.masks[sure], alpha=OPACITY, colors=colors)
    canvas = Image.fromarray(image.permute(1, 2, 0).numpy())
    pen = ImageDraw.Draw(canvas)
    for box, label, score in zip(found.boxes[sure].tolist(), labels, found.scores[sure].tolist(), strict=True):
        pen.rectangle(box, outline=categories[label].color, width=max(2, canvas.width // 200))
        pen.text(
            (box[0] + 3, box[1] + 1),
            f"{categories[label].name} {score:.2f}",
            fill="white",
            stroke_width=1,
            stroke_fill="black",
        )
    return np.asarray(canvas)


def _panoptic(image: Tensor, panoptic: Panoptic, categories: Categories) -> NDArray[np.uint8]:
    """Things of one class differ a little in brightness; segments have dark borders."""
    ids = panoptic.ids.numpy()
    painted = np.zeros((*ids.shape, 3), np.float32)
    for segment in panoptic.segments:
        shade = 1.0 - 0.12 * (segment.id % 4) if categories[segment.label].isthing else 1.0
        painted[ids == segment.id] = np.array(categories[segment.label].color) * shade
    blended = _blend(image, painted)
    blended[_borders(ids)] = 20
    return blended


def _blend(image: Tensor, painted: NDArray[Any]) -> NDArray[np.uint8]:
    pixels = image.permute(1, 2, 0).numpy()
    mixed: NDArray[np.uint8] = np.rint((1 - OPACITY) * pixels + OPACITY * painted).astype(np.uint8)
    return mixed


def _borders(ids: NDArray[Any]) -> NDArray[np.bool_]:
    border = np.zeros(ids.shape, bool)
    border[1:] |= ids[1:] != ids[:-1]
    border[:, 1:] |= ids[:, 1:] != ids[:, :-1]
    return border


_PAINTERS: dict[str, Callable[[Tensor, Any, Categories], NDArray[np.uint8]]] = {
    "semantic-segmentation": _semantic,
    "depth-estimation": _depth,
    "object-detection": _objects,
    "instance-segmentation": _objects,
    "panoptic-segmentation": _panoptic,
}
