"""Panoptic segmentation: panoptic quality (Kirillov et al., CVPR 2019), counted as COCO's panopticapi counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from hourglass.bench.datasets.base import Category, Panoptic, Sample
from hourglass.bench.datasets.coco import files
from hourglass.bench.datasets.coco.panoptic import annotate, write_png
from hourglass.bench.tasks.base import Values
from hourglass.bench.tasks.metric import Metric
from hourglass.bench.tasks.panoptic_quality import Counts, count_image, qualities

_GROUPS = (("", ""), ("_things", " things"), ("_stuff", " stuff"))
_QUALITIES = (
    ("pq", "PQ", "mean over classes of SQ times RQ"),
    ("sq", "SQ", "mean over classes of the mean IoU of matched segments"),
    ("rq", "RQ", "mean over classes of the F1 score of segments"),
)


@dataclass(frozen=True)
class PanopticSegmentation:
    """A segment for every pixel: mask queries, or detections and class scores, in, `Panoptic` out.

    Attributes:
        score_threshold: Queries and detections below this probability make no segment; None for what such models were
            published with: 0.8 of Mask2Former, 0.25 of MaskDINO, 0.5 of detections.
        overlap_threshold: What wins less than this share of its mask makes no segment; None for what such models were
            published with: 0.8 of queries, 0.5 of detections.
        mask_threshold: Mask probability from which on a pixel is in a mask.
        stuff_area: Share of the image that a class of stuff must have beside detections, or it makes no segment.
    """

    score_threshold: float | None = None
    overlap_threshold: float | None = None
    mask_threshold: float = 0.5
    stuff_area: float = 0.004

    name: ClassVar[str] = "panoptic-segmentation"

    def predict(self, output: Any, sizes: Sequence[tuple[int, int]], categories: Sequence[Category]) -> list[Panoptic]:
        """See `mask_queries.panoptic` and `mask_detections.panoptic`."""
        from hourglass.bench.tasks import mask_detections, mask_queries

        if not hasattr(output, "masks_queries_logits"):
            return [
                mask_detections.panoptic(
                    found,
                    size,
                    categories,
                    score_threshold=_given(self.score_threshold, mask_detections.SCORE_THRESHOLD),
                    overlap_threshold=_given(self.overlap_threshold, mask_detections.OVERLAP_THRESHOLD),
                    mask_threshold=self.mask_threshold,
                    stuff_area=self.stuff_area,
                )
                for found, size in zip(output, sizes, strict=True)
            ]
        decoding = mask_queries.decoding_of(output)
        queries = zip(output.class_queries_logits, output.masks_queries_logits, sizes, strict=True)
        return [
            mask_queries.panoptic(
                classes,
                masks,
                size,
                categories,
                decoding=decoding,
                score_threshold=_given(self.score_threshold, decoding.score_threshold),
                overlap_threshold=_given(self.overlap_threshold, mask_queries.OVERLAP_THRESHOLD),
                mask_threshold=self.mask_threshold,
            )
            for classes, masks, size in queries
        ]

    def writer(self, folder: Path, categories: Sequence[Category]) -> PanopticWriter:
        """COCO's panoptic format: ``panoptic.json`` and a PNG per image in ``panoptic``."""
        return PanopticWriter(folder, categories)


def _given(threshold: float | None, default: float) -> float:
    return default if threshold is None else threshold


class PanopticScorer:
    """Matches of each image, class by class.

    Args:
        task: Has nothing to say here.
        categories: The data set's.
    """

    metrics: ClassVar[tuple[Metric, ...]] = tuple(
        Metric(name + group, title + words, "fraction", True, definition)
        for group, words in _GROUPS
        for name, title, definition in _QUALITIES
    )

    def __init__(self, task: PanopticSegmentation, categories: Sequence[Category]) -> None:
        self._categories = categories
        self._images: list[Counts] = []

    def add(self, prediction: Panoptic, sample: Sample) -> None:
        """Count one image's segments."""
        self._images.append(count_image(prediction, sample.target, len(self._categories)))

    def values(self) -> Values:
        """None for a group without any class that occurs."""
        counts = sum(self._images, Counts.zeros(len(self._categories)))
        things = [category.isthing for category in self._categories]
        groups = (None, things, [not thing for thing in things])
        return {
            name + suffix: value
            for (suffix, _), members in zip(_GROUPS, groups, strict=True)
            for (name, _, _), value in zip(_QUALITIES, qualities(counts, members), strict=True)
        }

    def state(self) -> list[list[list[float]]]:
        """Of each image its `Counts`, one list a field. Sums of them would depend on where a split is cut."""
        return [[field.tolist() for field in vars(counts).values()] for counts in self._images]

    def merge(self, state: list[list[list[float]]]) -> None:
        """Append another scorer's images."""
        import torch

        self._images += [Counts(*torch.tensor(fields, dtype=torch.float64)) for fields in state]


class PanopticWriter:
    """Writes a PNG per image, and at the end the JSON file that explains them.

    Args:
        folder: Where to.
        categories: The data set's.
    """

    def __init__(self, folder: Path, categories: Sequence[Category]) -> None:
        self._folder = folder
        self._categories = categories
        self._images: list[files.ImageInfo] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, prediction: Panoptic, sample: Sample) -> None:
        """Write one image's map."""
        name, (height, width) = f"{sample.name}.png", prediction.ids.shape
        write_png(self._folder / "panoptic" / name, prediction)
        self._images.append(files.ImageInfo(sample.image_id, name, height, width))
        self._annotations.append(
            annotate(prediction, image_id=sample.image_id, file_name=name, categories=self._categories)
        )

    def close(self) -> None:
        """Write the JSON file."""
        files.write(self._folder / "panoptic.json", self._images, self._categories, self._annotations)
