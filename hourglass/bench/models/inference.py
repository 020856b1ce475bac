"""How an image of any size goes through a model that needs another one, and how its output comes back.

A model's card names one of these; only accuracy is measured through it, as cost and speed are those of one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Of the RGB channels in [0, 1]."""

Model = Callable[[Tensor], Any]


class Inference(Protocol):
    """Runs a model on a batch."""

    def __call__(self, model: Model, images: Tensor) -> Any:
        """The task's output for images (B, 3, H, W) in [0, 1].

        Args:
            model: Takes such images, of the size it is made for.
            images: The batch.
        """
        ...


def whole(model: Model, images: Tensor) -> Any:
    """The images as they are: the model copes with any size."""
    return model(images)


@dataclass(frozen=True)
class Resized:
    """The resized image in one piece, for models that slide over it themselves.

    Attributes:
        short: The image is resized, its proportions kept, until its shorter side has so many pixels ...
        long: ... or its longer side so many.
    """

    short: int
    long: int

    def __call__(self, model: Model, images: Tensor) -> Any:
        """The output at the resized size."""
        return model(self.resize(images))

    def resize(self, images: Tensor) -> Tensor:
        """The images as mmcv resizes them."""
        return resized(images, self.size(*images.shape[-2:]), antialias=False)

    def size(self, height: int, width: int) -> tuple[int, int]:
        """What an image is resized to, rounded as mmcv does."""
        scale = min(self.long / max(height, width), self.short / min(height, width))
        return int(height * scale + 0.5), int(width * scale + 0.5)


@dataclass(frozen=True)
class SlidingWindow(Resized):
    """Overlapping square windows of the resized image, their logits averaged where they overlap.

    As mmsegmentation's slide mode: the last window of a row or column is moved back to end at the border, and where the
    image is smaller than a window, the window is as small.

    Attributes:
        crop: Side of a window in pixels.
        stride: Pixels from one window to the next.
    """

    crop: int
    stride: int

    def __call__(self, model: Model, images: Tensor) -> Tensor:
        """Logits (B, K, h, w) at the resized size."""
        images = self.resize(images)
        height, width = images.shape[-2:]
        total: Tensor | None = None
        visits = images.new_zeros(1, 1, height, width)
        for top, bottom in self.spans(height):
            for left, right in self.spans(width):
                logits = model(images[..., top:bottom, left:right]).float()
                if total is None:
                    total = logits.new_zeros(*logits.shape[:2], height, width)
                total[..., top:bottom, left:right] += logits
                visits[..., top:bottom, left:right] += 1
        assert total is not None
        return total.div_(visits)

    def spans(self, side: int) -> Iterator[tuple[int, int]]:
        """Begin and end of every window along a side of so many pixels."""
        for index in range(max(side - self.crop + self.stride - 1, 0) // self.stride + 1):
            end = min(index * self.stride + self.crop, side)
            yield max(end - self.crop, 0), end


@dataclass(frozen=True)
class ShortSide:
    """The image resized by its shorter side and padded: what detectron2's models see.

    Attributes:
        short: Pixels of the shorter side ...
        long: ... unless the longer one would exceed this.
        multiple: Both sides are padded, right and below, to a multiple of this.
        fill: RGB in [0, 1] of the padding: the mean that the model subtracts, so that it sees zeros.
    """

    short: int
    long: int
    multiple: int = 32
    fill: tuple[float, float, float] = IMAGENET_MEAN

    def __call__(self, model: Model, images: Tensor) -> Any:
        """Mask queries at the resized size without the padding, or detections in pixels of ``images``."""
        height, width = self.size(*images.shape[-2:])
        small = resized(images, (height, width), antialias=True)
        rows, columns = (-(-side // self.multiple) * self.multiple for side in (height, width))
        padded = small.new_tensor(self.fill).view(3, 1, 1).repeat(len(small), 1, rows, columns)
        padded[..., :height, :width] = small
        output = model(padded)
        if not hasattr(output, "masks_queries_logits"):
            return [_rescaled(found, (height, width), (images.shape[-2], images.shape[-1])) for found in output]
        output = copy(output)
        masks = F.interpolate(output.masks_queries_logits, (rows, columns), mode="bilinear", align_corners=False)
        output.masks_queries_logits = masks[..., :height, :width]
        return output

    def size(self, height: int, width: int) -> tuple[int, int]:
        """What an image is resized to, rounded as detectron2 does."""
        longer = self.short / min(height, width) * max(height, width)
        shrink = min(self.long / longer, 1.0)
        short, long = int(self.short * shrink + 0.5), int(longer * shrink + 0.5)
        return (short, long) if height < width else (long, short)


@dataclass(frozen=True)
class ByProcessor:
    """The image as the model's own processor resizes it: for models of the hub."""

    def __call__(self, model: Any, images: Tensor) -> Any:
        """The task's output at the size of ``images``, or mask queries at the resized size."""
        return model(images, resize=True)


def resized(images: Tensor, size: tuple[int, int], *, antialias: bool) -> Tensor:
    """Images (B, 3, H, W) in [0, 1] at another size, bilinear, rounded to 8 bits: as files are resized.

    Args:
        images: The batch.
        size: Height and width.
        antialias: Average over all pixels that a pixel of a smaller image covers, as Pillow does and OpenCV does not.
    """
    if size == images.shape[-2:]:
        return images
    levels = F.interpolate(images * 255, size, mode="bilinear", align_corners=False, antialias=antialias)
    return torch.round(levels) / 255


def _rescaled(found: dict[str, Tensor], seen: tuple[int, int], size: tuple[int, int]) -> dict[str, Tensor]:
    """Detections with their boxes moved from the image the model saw, (H, W), to the original."""
    (height, width), (rows, columns) = size, seen
    boxes = found["boxes"].float() * found["boxes"].new_tensor([width / columns, height / rows] * 2)
    limits = boxes.new_tensor([width, height] * 2)
    return {**found, "boxes": boxes.clamp(min=0).minimum(limits)}
