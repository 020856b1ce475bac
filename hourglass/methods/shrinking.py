"""A model on smaller images, and its output at the size of the images that were given."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from hourglass.acceleration.patch import Patch, patch_of
from hourglass.acceleration.windows import Grid
from hourglass.methods.patching import is_a

DETECTION = "torchvision.models.detection.transform:GeneralizedRCNNTransform"


class Shrinking(Patch):
    """Resizes images on their way in, and maps and boxes on their way out.

    A model that brings its images to a size of its own gets a smaller one instead, and brings its output back itself:
    torchvision's detectors, and whatever has a ``working_size`` (height, width).
    """

    def __init__(self, model: nn.Module, scale: float, multiple: int) -> None:
        """Puts it around the model; see `ResolutionPlan`."""
        super().__init__(model)
        self._scale, self._multiple = scale, multiple
        self._before = [
            (module, name, value) for module in model.modules() for name, value in _own_sizes(module).items()
        ]
        for module, name, value in self._before:
            smaller = tuple(map(self.side, value)) if isinstance(value, (tuple, list)) else self.side(value)
            setattr(module, name, smaller)
        if not self._before:
            try:
                self.extend(model, _OnSmallerImages)
            except ValueError:
                self.remove()
                raise

    def side(self, pixels: int) -> int:
        """A side of the smaller image."""
        return max(1, round(pixels * self._scale / self._multiple)) * self._multiple

    def remove(self) -> None:
        """See `Patch`."""
        super().remove()
        for module, name, value in self._before:
            setattr(module, name, value)


class _OnSmallerImages:
    """The forward of a model that takes images (B, C, H, W) first."""

    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        name = None if args else next(iter(kwargs), "")
        images = args[0] if name is None else kwargs.get(name)
        if not isinstance(images, Tensor) or images.dim() != 4:
            raise ValueError(f"the first argument must be images (B, C, H, W), got {type(images).__name__}")
        patch = patch_of(self)
        size: Grid = (images.shape[2], images.shape[3])
        small: Grid = (patch.side(size[0]), patch.side(size[1]))
        smaller = F.interpolate(images, small, mode="bilinear", antialias=True, align_corners=False)
        if name is None:
            args = (smaller, *args[1:])
        else:
            kwargs = {**kwargs, name: smaller}
        way_back = _WayBack(small, size)
        output = way_back(super().forward(*args, **kwargs))  # type: ignore[misc]
        if not way_back.taken:
            raise ValueError(
                f"{type(self).__name__} returned neither maps of the image nor boxes, so nothing can be brought back "
                f"to {size[0]} x {size[1]} pixels: apply it to the model around it that does"
            )
        return output


class _WayBack:
    """Brings an output for images of one size to another: maps bilinearly at their stride, boxes by their corners.

    Attributes:
        taken: Whether there was anything to bring back.
    """

    def __init__(self, small: Grid, size: Grid) -> None:
        self._small, self._size = small, size
        self.taken = False

    def __call__(self, output: Any) -> Any:
        if isinstance(output, Tensor):
            return self._map(output)
        if isinstance(output, MutableMapping):
            for key, value in output.items():  # in place, as outputs of frameworks are mappings of their own kinds
                output[key] = self._boxes(value) if key == "boxes" else self(value)
            return output
        if isinstance(output, (tuple, list)):
            parts = [self(part) for part in output]
            return type(output)(*parts) if hasattr(output, "_fields") else type(output)(parts)
        return output

    def _map(self, output: Tensor) -> Tensor:
        """A map of (..., height, width) whose sides are those of the image over a stride; others are no maps."""
        if output.dim() < 3 or not output.is_floating_point() or not output.numel():
            return output
        height, width = output.shape[-2:]
        stride = self._small[0] // height
        if (height * stride, width * stride) != self._small or (output.dim() == 3 and stride != 1):
            return output
        self.taken = True
        size = [-(-side // stride) for side in self._size]
        rows = output.flatten(0, -3).unsqueeze(1)
        return F.interpolate(rows, size, mode="bilinear", align_corners=False).reshape(*output.shape[:-2], *size)

    def _boxes(self, boxes: Tensor) -> Tensor:
        """(N, 4) of pixels along x and y by turns."""
        self.taken = True
        factors = [size / small for size, small in zip(self._size, self._small, strict=True)]
        return boxes * boxes.new_tensor([factors[1], factors[0]] * 2)


def _own_sizes(module: nn.Module) -> dict[str, Any]:
    """The attributes of a module by which it sizes images, with their values."""
    if is_a(module, DETECTION):
        sizes = {name: getattr(module, name) for name in ("min_size", "max_size", "fixed_size")}
        return {name: size for name, size in sizes.items() if size is not None}
    size = getattr(module, "working_size", None)
    return {"working_size": size} if isinstance(size, (tuple, list)) else {}
