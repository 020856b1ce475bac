"""Object detection and instance segmentation: COCO's average precision, of boxes and of masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from hourglass.bench.datasets.base import Category
from hourglass.bench.tasks import mask_queries
from hourglass.bench.tasks.average_precision import PrecisionScorer, ResultWriter
from hourglass.bench.tasks.base import Detections
from hourglass.bench.tasks.metric import Metric


def _metrics(prefix: str, title: str) -> tuple[Metric, ...]:
    mean = "mean over classes and IoU thresholds 0.50 to 0.95 of the average precision, at most 100 detections an image"
    return (
        Metric(prefix, title, "fraction", True, mean),
        Metric(f"{prefix}50", f"{title}50", "fraction", True, "average precision at IoU 0.50, mean over classes"),
        Metric(f"{prefix}75", f"{title}75", "fraction", True, "average precision at IoU 0.75, mean over classes"),
        Metric(f"{prefix}_small", f"{title} small", "fraction", True, f"{title} of objects below 32² pixels"),
        Metric(f"{prefix}_medium", f"{title} medium", "fraction", True, f"{title} of objects from 32² to 96² pixels"),
        Metric(f"{prefix}_large", f"{title} large", "fraction", True, f"{title} of objects above 96² pixels"),
    )


@dataclass(frozen=True)
class ObjectDetection:
    """A box, a class and a score for every object: per image ``boxes``, ``scores``, ``labels`` in, `Detections` out."""

    name: ClassVar[str] = "object-detection"
    metrics: ClassVar[tuple[Metric, ...]] = _metrics("box_ap", "box AP")

    def predict(
        self, output: Sequence[dict[str, Tensor]], sizes: Sequence[tuple[int, int]], categories: Sequence[Category]
    ) -> list[Detections]:
        """As the model hands them out; it suppresses duplicates itself, if it has to."""
        return [Detections(found["boxes"], found["scores"], found["labels"]) for found in output]

    def scorer(self, categories: Sequence[Category]) -> PrecisionScorer:
        """See `Task`."""
        return PrecisionScorer("bbox", categories, self.metrics)

    def writer(self, folder: Path, categories: Sequence[Category]) -> ResultWriter:
        """COCO's result format: ``detections.json``."""
        return ResultWriter("bbox", folder / "detections.json", categories)


@dataclass(frozen=True)
class InstanceSegmentation:
    """A mask, a class and a score for every object: mask queries in, `Detections` with masks out.

    Attributes:
        limit: Pairs of query and class that are kept per image, the likeliest; stuff classes among them are dropped.
    """

    limit: int = 100

    name: ClassVar[str] = "instance-segmentation"
    metrics: ClassVar[tuple[Metric, ...]] = _metrics("mask_ap", "mask AP")

    def predict(
        self, output: Any, sizes: Sequence[tuple[int, int]], categories: Sequence[Category]
    ) -> list[Detections]:
        """See `mask_queries.instances`."""
        queries = zip(output.class_queries_logits, output.masks_queries_logits, sizes, strict=True)
        reading = mask_queries.reading_of(output)
        return [
            mask_queries.instances(classes, masks, size, categories, reading=reading, limit=self.limit)
            for classes, masks, size in queries
        ]

    def scorer(self, categories: Sequence[Category]) -> PrecisionScorer:
        """See `Task`."""
        return PrecisionScorer("segm", categories, self.metrics)

    def writer(self, folder: Path, categories: Sequence[Category]) -> ResultWriter:
        """COCO's result format: ``instances.json``, masks as run lengths."""
        return ResultWriter("segm", folder / "instances.json", categories)
