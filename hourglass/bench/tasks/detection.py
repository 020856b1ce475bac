"""Object detection and instance segmentation: COCO's average precision, of boxes and of masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hourglass.bench.datasets.base import Category
from hourglass.bench.tasks.average_precision import ResultWriter
from hourglass.bench.tasks.base import Detections

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ObjectDetection:
    """A box, a class and a score for every object: per image ``boxes``, ``scores``, ``labels`` in, `Detections` out."""

    name: ClassVar[str] = "object-detection"

    def predict(
        self, output: Sequence[dict[str, Tensor]], sizes: Sequence[tuple[int, int]], categories: Sequence[Category]
    ) -> list[Detections]:
        """As the model hands them out; it suppresses duplicates itself, if it has to."""
        return [Detections(found["boxes"], found["scores"], found["labels"]) for found in output]

    def writer(self, folder: Path, categories: Sequence[Category]) -> ResultWriter:
        """COCO's result format: ``detections.json``."""
        return ResultWriter("bbox", folder / "detections.json", categories)


@dataclass(frozen=True)
class InstanceSegmentation:
    """A mask, a class and a score for every object: mask queries or detections in, `Detections` with masks out.

    Attributes:
        limit: What is kept per image, the likeliest: pairs of query and class, or detections; stuff classes among them
            are dropped.
        mask_threshold: Mask probability from which on a pixel is in a detection's mask; 0.5 of a query's.
    """

    limit: int = 100
    mask_threshold: float = 0.5

    name: ClassVar[str] = "instance-segmentation"

    def predict(
        self, output: Any, sizes: Sequence[tuple[int, int]], categories: Sequence[Category]
    ) -> list[Detections]:
        """See `mask_queries.instances` and `mask_detections.instances`."""
        from hourglass.bench.tasks import mask_detections, mask_queries

        if not hasattr(output, "masks_queries_logits"):
            return [
                mask_detections.instances(found, size, categories, mask_threshold=self.mask_threshold, limit=self.limit)
                for found, size in zip(output, sizes, strict=True)
            ]
        queries = zip(output.class_queries_logits, output.masks_queries_logits, sizes, strict=True)
        decoding = mask_queries.decoding_of(output)
        return [
            mask_queries.instances(classes, masks, size, categories, decoding=decoding, limit=self.limit)
            for classes, masks, size in queries
        ]

    def writer(self, folder: Path, categories: Sequence[Category]) -> ResultWriter:
        """COCO's result format: ``instances.json``, masks as run lengths."""
        return ResultWriter("segm", folder / "instances.json", categories)
