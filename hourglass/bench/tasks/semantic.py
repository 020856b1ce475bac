"""Semantic segmentation: mean intersection over union, counted over the whole split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hourglass.bench.datasets.base import IGNORED, Category, Sample
from hourglass.bench.datasets.rasters import write_semantic
from hourglass.bench.tasks.base import Values, require_classes
from hourglass.bench.tasks.metric import Metric

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SemanticSegmentation:
    """A class for every pixel: logits (B, K, h, w) or mask queries in, labels (H, W) int64 out."""

    name: ClassVar[str] = "semantic-segmentation"

    def predict(self, output: Any, sizes: Sequence[tuple[int, int]], categories: Sequence[Category]) -> list[Tensor]:
        """Most likely class of each pixel, after bilinear resizing of the logits or class scores to the image."""
        from hourglass.bench.tasks import mask_queries

        if hasattr(output, "masks_queries_logits"):
            queries = zip(output.class_queries_logits, output.masks_queries_logits, strict=True)
            decoding = mask_queries.decoding_of(output)
            output = (mask_queries.semantic(classes, masks, decoding) for classes, masks in queries)
        labels = []
        for logits, size in zip(output, sizes, strict=True):
            require_classes(len(logits), categories, exactly=True)
            labels.append(_resized(logits, size).argmax(0))
        return labels

    def writer(self, folder: Path, categories: Sequence[Category]) -> SemanticWriter:
        """Label PNGs as ADE20K's: label + 1."""
        return SemanticWriter(folder)


class SemanticScorer:
    """Confusion matrix of a split.

    Args:
        task: Has nothing to say here.
        categories: The classes.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "miou", "mIoU", "fraction", True, "mean over classes of intersection / union, both summed over the split"
        ),
        Metric("pixel_accuracy", "aAcc", "fraction", True, "share of pixels with the right class"),
        Metric("class_accuracy", "mAcc", "fraction", True, "mean over classes of the share of its pixels found"),
    )

    def __init__(self, task: SemanticSegmentation, categories: Sequence[Category]) -> None:
        import torch

        self._classes = len(categories)
        self._confusion = torch.zeros(self._classes, self._classes, dtype=torch.int64)

    def add(self, prediction: Tensor, sample: Sample) -> None:
        """Count labels (H, W) against the sample's, where those are not ignored.

        Raises:
            UserError: A label stands for no class, which the counts would take for another one.
        """
        import torch

        require_classes(int(prediction.max()) + 1, range(self._classes))
        counted = sample.target != IGNORED
        pairs = sample.target[counted] * self._classes + prediction[counted]
        self._confusion += torch.bincount(pairs, minlength=self._classes**2).reshape(self._classes, self._classes)

    def values(self) -> Values:
        """Classes with an empty union are left out of the means; None without any counted pixel."""
        right = self._confusion.diagonal().double()
        true, predicted = self._confusion.sum(1).double(), self._confusion.sum(0).double()
        if not true.sum():
            return dict.fromkeys(metric.name for metric in self.metrics)
        union = true + predicted - right
        return {
            "miou": (right / union)[union > 0].mean().item(),
            "pixel_accuracy": (right.sum() / true.sum()).item(),
            "class_accuracy": (right / true)[true > 0].mean().item(),
        }

    def state(self) -> list[list[int]]:
        """The matrix: a row for each true class."""
        return self._confusion.tolist()

    def merge(self, state: list[list[int]]) -> None:
        """Add another scorer's matrix."""
        import torch

        self._confusion += torch.tensor(state)


class SemanticWriter:
    """Writes a label PNG per image."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, prediction: Tensor, sample: Sample) -> None:
        """Write labels (H, W)."""
        write_semantic(self._folder / f"{sample.name}.png", prediction.numpy())

    def close(self) -> None:
        """Nothing is left to write."""


def _resized(logits: Tensor, size: tuple[int, int]) -> Tensor:
    import torch.nn.functional as F

    if logits.shape[-2:] == size:
        return logits
    return F.interpolate(logits[None], size, mode="bilinear", align_corners=False)[0]
