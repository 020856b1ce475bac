"""COCO's average precision and result files, for boxes and masks, by faster-coco-eval."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from hourglass.bench.datasets.base import Category, Sample
from hourglass.bench.datasets.coco import masks
from hourglass.bench.datasets.coco.files import write_json
from hourglass.bench.tasks.base import Detections, Values, require_classes
from hourglass.bench.tasks.metric import Metric

Kind = Literal["bbox", "segm"]

log = logging.getLogger(__name__)


def results(kind: Kind, prediction: Detections, image_id: int, categories: Sequence[Category]) -> list[dict[str, Any]]:
    """One image's detections in COCO's result format; those whose score or box is not a number are none.

    Raises:
        UserError: A label stands for no class.
    """
    if len(prediction.labels):
        require_classes(int(prediction.labels.max()) + 1, categories)
    numbers = prediction.scores.isfinite() & prediction.boxes.isfinite().all(1)
    if not numbers.all():
        log.warning("image %s: %d detections without a score or box are left out", image_id, int((~numbers).sum()))
    boxes, scores, labels = (values[numbers] for values in (prediction.boxes, prediction.scores, prediction.labels))
    found = [
        {"image_id": image_id, "category_id": categories[label].id, "bbox": _xywh(box), "score": score}
        for box, score, label in zip(boxes.tolist(), scores.tolist(), labels.tolist(), strict=True)
    ]
    if kind == "segm":
        if prediction.masks is None:
            raise ValueError("prediction.masks: instance segmentation needs a mask for every detection")
        for result, mask in zip(found, prediction.masks[numbers].cpu().numpy(), strict=True):
            result["segmentation"] = masks.encode(mask)
            del result["bbox"]  # Evaluators take a result with a box for a box.
    return found


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


class BoxScorer:
    """Collects annotations and detections, evaluates the overlap of boxes at the end.

    Args:
        task: Has nothing to say here.
        categories: The data set's; stuff is left out.

    Attributes:
        metrics: AP, AP50, AP75, and AP of small, medium and large objects, in this order.
    """

    metrics: ClassVar[tuple[Metric, ...]] = _metrics("box_ap", "box AP")
    _kind: ClassVar[Kind] = "bbox"

    def __init__(self, task: object, categories: Sequence[Category]) -> None:
        self._categories = categories
        self._images: list[dict[str, Any]] = []
        self._truth: list[dict[str, Any]] = []
        self._found: list[dict[str, Any]] = []

    def add(self, prediction: Detections, sample: Sample) -> None:
        """Count one image's detections."""
        height, width = sample.target.size
        self._images.append({"id": sample.image_id, "height": height, "width": width})
        for annotation in sample.target.annotations:
            self._truth.append({"iscrowd": 0, **annotation, "image_id": sample.image_id})
        self._found += results(self._kind, prediction, sample.image_id, self._categories)

    def values(self) -> Values:
        """None where no object of that size is in the split."""
        from faster_coco_eval import COCO, COCOeval_faster

        names = [metric.name for metric in self.metrics]
        if not self._truth:
            return dict.fromkeys(names)
        if not self._found:
            return dict(zip(names, self._without_detections(), strict=True))
        truth = COCO(
            {
                "images": self._images,
                "categories": [{"id": c.id, "name": c.name} for c in self._categories if c.isthing],
                # From 1: evaluators take a match with annotation 0 for no match.
                "annotations": [{**annotation, "id": number} for number, annotation in enumerate(self._truth, 1)],
            }
        )
        found = truth.loadRes([dict(result) for result in self._found])
        evaluation = COCOeval_faster(truth, found, self._kind)
        evaluation.run()
        return {
            name: float(value) if value >= 0 else None
            for name, value in zip(names, evaluation.stats[: len(names)], strict=True)
        }

    def state(self) -> dict[str, list[dict[str, Any]]]:
        """Images, annotations and detections, as COCO writes them."""
        return {"images": self._images, "truth": self._truth, "found": self._found}

    def merge(self, state: dict[str, list[dict[str, Any]]]) -> None:
        """Append another scorer's images."""
        self._images += state["images"]
        self._truth += state["truth"]
        self._found += state["found"]

    def _without_detections(self) -> list[float | None]:
        """0, or None for sizes that do not occur."""
        areas = [a["area"] for a in self._truth if not a["iscrowd"]]
        sizes = ((0, 32**2), (32**2, 96**2), (96**2, 1e5**2))
        occurs = [bool(areas)] * 3 + [any(low <= area <= high for area in areas) for low, high in sizes]
        return [0.0 if known else None for known in occurs]


class MaskScorer(BoxScorer):
    """As `BoxScorer`, of masks."""

    metrics: ClassVar[tuple[Metric, ...]] = _metrics("mask_ap", "mask AP")
    _kind: ClassVar[Kind] = "segm"


class ResultWriter:
    """Writes all detections into one JSON file of COCO's result format.

    Args:
        kind: Boxes or masks.
        path: The file.
        categories: The data set's.
    """

    def __init__(self, kind: Kind, path: Path, categories: Sequence[Category]) -> None:
        self._kind: Kind = kind
        self._path = path
        self._categories = categories
        self._found: list[dict[str, Any]] = []

    def add(self, prediction: Detections, sample: Sample) -> None:
        """Keep one image's detections."""
        self._found += results(self._kind, prediction, sample.image_id, self._categories)

    def close(self) -> None:
        """Write the file."""
        write_json(self._path, self._found)


def _xywh(box: Sequence[float]) -> list[float]:
    left, top, right, bottom = box
    return [left, top, right - left, bottom - top]
