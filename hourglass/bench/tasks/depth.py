"""Monocular depth estimation: errors per image, averaged over the split (Eigen et al., NeurIPS 2014)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from hourglass.bench.datasets.base import Category, Sample
from hourglass.bench.datasets.rasters import MILLIMETRES, write_depth
from hourglass.bench.tasks.base import Values
from hourglass.bench.tasks.metric import Metric

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class DepthEstimation:
    """Metres for every pixel: (B, h, w) in, (H, W) float32 out.

    Attributes:
        min_depth: Predictions are clamped from below at this, in metres; nearer true depths are not counted.
        max_depth: Predictions are clamped from above at this, in metres; farther true depths are not counted. 10 for
            NYU Depth v2, 80 for KITTI.
        units: Per metre, in written PNGs: 1000 as for NYU Depth v2, 256 as for KITTI.
    """

    min_depth: float = 1e-3
    max_depth: float = 80.0
    units: float = MILLIMETRES

    name: ClassVar[str] = "depth-estimation"

    def predict(self, output: Tensor, sizes: Sequence[tuple[int, int]], categories: Sequence[Category]) -> list[Tensor]:
        """Depth at the image's size, clamped; NaN becomes the lower bound, as the authors' scorer does."""
        return [self._clamped(_resized(depth, size)) for depth, size in zip(output.float(), sizes, strict=True)]

    def writer(self, folder: Path, categories: Sequence[Category]) -> DepthWriter:
        """16-bit PNGs; what is farther than they can say is written as the farthest they can."""
        return DepthWriter(folder, self.units)

    def _clamped(self, depth: Tensor) -> Tensor:
        import torch

        known = torch.nan_to_num(depth, nan=self.min_depth, posinf=self.max_depth, neginf=self.min_depth)
        return known.clamp(self.min_depth, self.max_depth)


class DepthScorer:
    """Metrics of each image, and their mean over images.

    Args:
        task: Says between which depths true ones are counted.
        categories: None.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("rmse_m", "RMSE", "m", False, "root of the mean squared error of an image, averaged over images"),
        Metric("absrel", "AbsRel", "fraction", False, "mean of |d - g| / g"),
        Metric("sqrel_m", "SqRel", "m", False, "mean of (d - g)² / g"),
        Metric("rmse_log", "RMSE log", "1", False, "root of the mean of (ln d - ln g)²"),
        Metric("log10", "log10", "1", False, "mean of |log10 d - log10 g|"),
        Metric("silog", "SILog", "1", False, "100 times the standard deviation of ln d - ln g"),
        Metric("delta1", "δ1", "fraction", True, "share of pixels with max(d / g, g / d) below 1.25"),
        Metric("delta2", "δ2", "fraction", True, "share of pixels with max(d / g, g / d) below 1.25²"),
        Metric("delta3", "δ3", "fraction", True, "share of pixels with max(d / g, g / d) below 1.25³"),
    )

    def __init__(self, task: DepthEstimation, categories: Sequence[Category]) -> None:
        self._range = task.min_depth, task.max_depth
        self._images: list[Tensor] = []

    def add(self, prediction: Tensor, sample: Sample) -> None:
        """Count metres (H, W) against the sample's; an image without any known depth is left out."""
        known = (sample.target > self._range[0]) & (sample.target < self._range[1])
        if known.any():
            self._images.append(_errors(prediction[known].double(), sample.target[known].double()))

    def values(self) -> Values:
        """None without any image that has a known depth."""
        import torch

        names = [metric.name for metric in self.metrics]
        if not self._images:
            return dict.fromkeys(names)
        return dict(zip(names, torch.stack(self._images).mean(0).tolist(), strict=True))

    def state(self) -> list[list[float]]:
        """The metrics of each image."""
        return [metrics.tolist() for metrics in self._images]

    def merge(self, state: list[list[float]]) -> None:
        """Append another scorer's images."""
        import torch

        self._images += [torch.tensor(metrics, dtype=torch.float64) for metrics in state]


class DepthWriter:
    """Writes a 16-bit PNG per image.

    Args:
        folder: Where to.
        units: Per metre.
    """

    def __init__(self, folder: Path, units: float) -> None:
        self._folder = folder
        self._units = units

    def add(self, prediction: Tensor, sample: Sample) -> None:
        """Write metres (H, W)."""
        farthest = (2**16 - 1) / self._units
        depth = prediction.clamp(max=farthest).numpy()
        write_depth(self._folder / f"{sample.name}.png", depth, scale=self._units)

    def close(self) -> None:
        """Nothing is left to write."""


def _errors(depth: Tensor, truth: Tensor) -> Tensor:
    """(N,) metres each to the metrics of one image, in the order they are declared."""
    import torch

    error, log_error = depth - truth, depth.log() - truth.log()
    ratio = torch.maximum(depth / truth, truth / depth)
    return torch.stack(
        [
            error.square().mean().sqrt(),
            (error.abs() / truth).mean(),
            (error.square() / truth).mean(),
            log_error.square().mean().sqrt(),
            (depth.log10() - truth.log10()).abs().mean(),
            100 * log_error.std(correction=0),
            *((ratio < 1.25**power).double().mean() for power in (1, 2, 3)),
        ]
    )


def _resized(depth: Tensor, size: tuple[int, int]) -> Tensor:
    import torch.nn.functional as F

    if depth.shape == size:
        return depth
    return F.interpolate(depth[None, None], size, mode="bilinear", align_corners=False)[0, 0]
