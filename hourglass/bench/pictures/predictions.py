"""Draws the prediction (or the target) of each task as a layer that lies over its image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from hourglass.bench.datasets.base import IGNORED, Category, Instances, Panoptic
from hourglass.bench.pictures.layers import Layer, Size, over
from hourglass.bench.tasks.base import Detections

OPACITY = 153
"""Of what a label is drawn with, 0 to 255."""
SOLID = 255
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
    return over(image.permute(1, 2, 0).numpy(), layer(task, (image.shape[1], image.shape[2]), prediction, categories))


def layer(task: str, size: Size, prediction: Any, categories: Categories, *, scale: Any = None) -> Layer:
    """A prediction alone, to be laid over its image.

    Args:
        task: Name of the task.
        size: Height and width of the image in pixels.
        prediction: What the task's `predict` returns for the image, or the target of its sample.
        categories: Of its labels.
        scale: A prediction or target whose range of depths is used, so that pictures can be compared; None for the
            prediction's own.

    Returns:
        (H, W, 4) uint8 RGBA.
    """
    return _PAINTERS[task](size, prediction, categories, scale)


def is_drawn(task: str) -> bool:
    """Whether there are pictures of a task; of one that somebody adds, there are none."""
    return task in _PAINTERS


def _semantic(size: Size, labels: Tensor, categories: Categories, scale: Any) -> Layer:
    palette = np.zeros((IGNORED + 1, 4), np.uint8)
    palette[: len(categories)] = [(*category.color, OPACITY) for category in categories]
    painted: Layer = palette[labels.numpy()]
    return painted


def _depth(size: Size, depth: Tensor, categories: Categories, scale: Tensor | None) -> Layer:
    """Near is bright; the scale is logarithmic, as errors of depth are relative. Unknown depth is left out."""
    from matplotlib import colormaps  # takes a while, and no other task needs it

    low, high = _range(depth if scale is None else scale)
    shade = 1 - ((depth.clamp(min=1e-3).log() - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)
    painted: Layer = colormaps["magma"](shade.numpy(), bytes=True)
    painted[(depth <= 0).numpy()] = 0
    return painted


def _saliency(size: Size, saliency: Tensor, categories: Categories, scale: Any) -> Layer:
    """Bright is salient."""
    from matplotlib import colormaps

    painted: Layer = colormaps["magma"](saliency.numpy(), bytes=True)
    return painted


def _range(depth: Tensor) -> Tensor:
    """(2,): logarithms of the least and the largest depth, but for a hundredth at both ends."""
    known = depth[depth > 0]
    logs = (known if len(known) else torch.ones(1)).clamp(min=1e-3).log()
    return torch.quantile(logs[:: 1 + len(logs) // 1_000_000], torch.tensor([0.01, 0.99]))


def _boxes(size: Size, found: Detections | Instances, categories: Categories, scale: Any) -> Layer:
    return _objects(size, found.boxes, _scores(found), found.labels, None, categories)


def _masks(size: Size, found: Detections | Instances, categories: Categories, scale: Any) -> Layer:
    return _objects(size, found.boxes, _scores(found), found.labels, found.masks, categories)


def _scores(found: Detections | Instances) -> Tensor | None:
    return found.scores if isinstance(found, Detections) else None


def _objects(
    size: Size, boxes: Tensor, scores: Tensor | None, labels: Tensor, masks: Tensor | None, categories: Categories
) -> Layer:
    sure = torch.ones(len(labels), dtype=torch.bool) if scores is None else scores >= SURE
    shown = [categories[label] for label in labels[sure].tolist()]
    canvas = np.zeros((*size, 4), np.uint8)
    for mask, category in zip(masks[sure].numpy() if masks is not None else (), shown, strict=False):
        canvas[mask] = (*category.color, OPACITY)
    picture = Image.fromarray(canvas)
    pen = ImageDraw.Draw(picture)
    numbers = scores[sure].tolist() if scores is not None else [None] * len(shown)
    for box, category, score in zip(boxes[sure].tolist(), shown, numbers, strict=True):
        pen.rectangle(box, outline=(*category.color, SOLID), width=max(2, picture.width // 200))
        name = category.name if score is None else f"{category.name} {score:.2f}"
        pen.text((box[0] + 3, box[1] + 1), name, fill="white", stroke_width=1, stroke_fill="black")
    return np.asarray(picture)


def _panoptic(size: Size, panoptic: Panoptic, categories: Categories, scale: Any) -> Layer:
    """Things of one class differ a little in brightness; segments have dark borders."""
    ids = panoptic.ids.numpy()
    painted = np.zeros((*ids.shape, 4), np.uint8)
    for segment in panoptic.segments:
        shade = 1.0 - 0.12 * (segment.id % 4) if categories[segment.label].isthing else 1.0
        painted[ids == segment.id] = (*np.rint(np.array(categories[segment.label].color) * shade), OPACITY)
    painted[_borders(ids)] = (20, 20, 20, SOLID)
    return painted


def _borders(ids: NDArray[Any]) -> NDArray[np.bool_]:
    border = np.zeros(ids.shape, bool)
    border[1:] |= ids[1:] != ids[:-1]
    border[:, 1:] |= ids[:, 1:] != ids[:, :-1]
    return border


_PAINTERS: dict[str, Callable[[Size, Any, Categories, Any], Layer]] = {
    "semantic-segmentation": _semantic,
    "depth-estimation": _depth,
    "object-detection": _boxes,
    "instance-segmentation": _masks,
    "panoptic-segmentation": _panoptic,
    "saliency-agreement": _saliency,
}
