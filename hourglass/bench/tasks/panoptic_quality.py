"""Matching and counting of panoptic segments.

Kirillov et al., *Panoptic Segmentation*, CVPR 2019 (arXiv 1801.00868), section 4, with COCO's rules for void and
crowd regions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hourglass.bench.datasets.base import Panoptic

if TYPE_CHECKING:
    from torch import Tensor

VOID = 0


@dataclass(frozen=True)
class Counts:
    """Matches of one image or many, class by class: each (K,) float64."""

    iou: Tensor
    """Sum over matched pairs."""
    true_positives: Tensor
    false_positives: Tensor
    false_negatives: Tensor

    @classmethod
    def zeros(cls, classes: int) -> Counts:
        """Nothing counted yet."""
        import torch

        return cls(*(torch.zeros(classes, dtype=torch.float64) for _ in range(4)))

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(mine + theirs for mine, theirs in zip(vars(self).values(), vars(other).values(), strict=True)))


def count_image(prediction: Panoptic, truth: Panoptic, classes: int) -> Counts:
    """Match the segments of one image.

    A predicted and a true segment of one class match when their IoU, void pixels left out of the union, exceeds one
    half. Crowd regions are no true segments, and an unmatched prediction of which more than half is void or crowd of
    its class is no false one.

    Args:
        prediction: Ids and segments, which must list every id but 0.
        truth: Of the same size.
        classes: Number of classes K.

    Raises:
        ValueError: The sizes differ.
    """
    if prediction.ids.shape != truth.ids.shape:
        raise ValueError(f"prediction: is {tuple(prediction.ids.shape)}, the true map is {tuple(truth.ids.shape)}")
    overlap = _overlaps(prediction.ids, truth.ids)
    true = {segment.id: segment for segment in truth.segments}
    predicted = {segment.id: segment for segment in prediction.segments}
    counts = Counts.zeros(classes)

    matched: set[int] = set()
    found: set[int] = set()
    for (true_id, predicted_id), intersection in overlap.items():
        target, candidate = true.get(true_id), predicted.get(predicted_id)
        if target is None or candidate is None or target.crowd or target.label != candidate.label:
            continue
        union = candidate.area + target.area - intersection - overlap.get((VOID, predicted_id), 0)
        if intersection / union > 0.5:
            counts.true_positives[target.label] += 1
            counts.iou[target.label] += intersection / union
            found.add(true_id)
            matched.add(predicted_id)

    for target in true.values():
        if target.id not in found and not target.crowd:
            counts.false_negatives[target.label] += 1
    crowds = {segment.label: segment.id for segment in true.values() if segment.crowd}
    for candidate in predicted.values():
        if candidate.id in matched:
            continue
        excused = overlap.get((VOID, candidate.id), 0)
        if candidate.label in crowds:
            excused += overlap.get((crowds[candidate.label], candidate.id), 0)
        if excused / candidate.area <= 0.5:
            counts.false_positives[candidate.label] += 1
    return counts


def qualities(counts: Counts, members: Sequence[bool] | None) -> tuple[float | None, float | None, float | None]:
    """Panoptic, segmentation and recognition quality: means over the classes that occur at all.

    Args:
        counts: Of a split.
        members: Which classes to average over; None for all.
    """
    import torch

    segments = counts.true_positives + (counts.false_positives + counts.false_negatives) / 2
    occurs = segments > 0
    if members is not None:
        occurs &= torch.tensor(members)
    if not occurs.any():
        return None, None, None
    hits, iou, segments = counts.true_positives[occurs], counts.iou[occurs], segments[occurs]
    segmentation = torch.where(hits > 0, iou / hits.clamp(min=1), 0.0)
    return (iou / segments).mean().item(), segmentation.mean().item(), (hits / segments).mean().item()


def _overlaps(predicted: Tensor, true: Tensor) -> dict[tuple[int, int], int]:
    """Common pixels of every pair (true id, predicted id) that has any."""
    import torch

    base = int(predicted.max()) + 1
    pairs, areas = torch.unique(true * base + predicted, return_counts=True)
    return {divmod(pair, base): area for pair, area in zip(pairs.tolist(), areas.tolist(), strict=True)}
