"""From mask queries (a class and a mask each) to class scores, instances and panoptic maps.

The inference of Mask2Former (Cheng et al., CVPR 2022, section 4 and released code) and of MaskDINO (Li et al., CVPR
2023, released code), which differ in what class logits mean; for one image at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hourglass.bench.datasets.base import Category, Panoptic, Segment
from hourglass.bench.tasks.base import Detections, require_classes

OVERLAP_THRESHOLD = 0.8
"""Share of its own mask that a query must win to make a panoptic segment."""


@dataclass(frozen=True)
class LogitDecoding:
    """What the class logits of queries mean. By default a query has one class or none, as in Mask2Former.

    Attributes:
        temperature: Of classes that are independent of each other, as MaskDINO's focal loss makes them: where queries
            contend for pixels, their probabilities are sharpened by a softmax at this temperature. None for classes
            that exclude each other and have "no object" as one more column, the last.
        score_threshold: Class probability, before it is sharpened, that a query needs for a panoptic segment.
    """

    temperature: float | None = None
    score_threshold: float = 0.8

    def probabilities(self, class_logits: Tensor) -> Tensor:
        """(Q, K), or (Q, K + 1) with "no object", of as many logits."""
        return class_logits.float().softmax(-1) if self.temperature is None else class_logits.float().sigmoid()

    def sharpened(self, probabilities: Tensor) -> Tensor:
        """Of the same shape."""
        return probabilities if self.temperature is None else (probabilities / self.temperature).softmax(-1)

    def of_classes(self, probabilities: Tensor) -> Tensor:
        """(Q, K): without "no object"."""
        return probabilities[:, :-1] if self.temperature is None else probabilities


MASK2FORMER = LogitDecoding()


def decoding_of(output: Any) -> LogitDecoding:
    """How to read a model's output: as its attribute ``decoding`` says, if there is one."""
    return getattr(output, "decoding", MASK2FORMER)


def semantic(class_logits: Tensor, mask_logits: Tensor, decoding: LogitDecoding) -> Tensor:
    """Class scores (K, h, w): sum over the queries of class probability times mask probability.

    Args:
        class_logits: (Q, K), or (Q, K + 1) with "no object".
        mask_logits: (Q, h, w).
        decoding: Of the class logits.
    """
    probabilities = decoding.of_classes(decoding.sharpened(decoding.probabilities(class_logits)))
    return torch.einsum("qk,qhw->khw", probabilities, mask_logits.float().sigmoid())


def instances(
    class_logits: Tensor,
    mask_logits: Tensor,
    size: tuple[int, int],
    categories: Sequence[Category],
    *,
    decoding: LogitDecoding,
    limit: int,
) -> Detections:
    """The likeliest pairs of query and class, each with the query's mask.

    The score is the class probability times the mean mask probability inside the mask.

    Args:
        class_logits: (Q, K), or (Q, K + 1) with "no object".
        mask_logits: (Q, h, w).
        size: Height and width of the image.
        categories: K of them.
        decoding: Of the class logits.
        limit: Pairs to keep, before those of stuff classes are dropped.
    """
    probabilities = decoding.of_classes(decoding.probabilities(class_logits))
    classes = probabilities.shape[1]
    require_classes(classes, categories)
    scores, pairs = probabilities.flatten().topk(min(limit, probabilities.numel()))
    queries, labels = pairs // classes, pairs % classes
    things = torch.tensor([category.isthing for category in categories], device=labels.device)[labels]
    queries, labels, scores = queries[things], labels[things], scores[things]

    logits = _resized(mask_logits, size)
    masks = logits > 0
    inside = (logits.sigmoid() * masks).sum((1, 2)) / (masks.sum((1, 2)) + 1e-6)
    # A query may be among the likeliest pairs with several classes; what follows from its mask is computed once.
    return Detections(_boxes(masks)[queries], scores * inside[queries], labels, masks[queries])


def panoptic(
    class_logits: Tensor,
    mask_logits: Tensor,
    size: tuple[int, int],
    categories: Sequence[Category],
    *,
    decoding: LogitDecoding,
    score_threshold: float,
    overlap_threshold: float,
    mask_threshold: float,
) -> Panoptic:
    """Every pixel to the query that claims it most, unless that query is unsure or loses too much of its mask.

    Args:
        class_logits: (Q, K), or (Q, K + 1) with "no object".
        mask_logits: (Q, h, w).
        size: Height and width of the image.
        categories: K of them; all segments of one stuff class become one.
        decoding: Of the class logits.
        score_threshold: Queries need a greater class probability.
        overlap_threshold: Share of a query's own mask that it must win.
        mask_threshold: Mask probability from which on a pixel belongs to a query's own mask.
    """
    probabilities = decoding.probabilities(class_logits)
    require_classes(decoding.of_classes(probabilities).shape[1], categories)
    scores, likeliest = decoding.sharpened(probabilities).max(-1)
    kept = (likeliest != len(categories)) & (probabilities.amax(-1) > score_threshold)
    scores, labels = scores[kept], likeliest[kept].tolist()
    ids = torch.zeros(size, dtype=torch.int64, device=mask_logits.device)
    if not labels:
        return Panoptic(ids, ())

    masks = _resized(mask_logits, size)[kept].sigmoid()
    winner = (scores[:, None, None] * masks).argmax(0)
    segment_labels: dict[int, int] = {}
    stuff: dict[int, int] = {}
    for query, label in enumerate(labels):
        won, own = winner == query, masks[query] >= mask_threshold
        region = won & own
        if not region.any() or int(won.sum()) / int(own.sum()) < overlap_threshold:
            continue
        known = None if categories[label].isthing else stuff.get(label)
        segment = known or len(segment_labels) + 1
        segment_labels[segment] = label
        if not categories[label].isthing:
            stuff[label] = segment
        ids[region] = segment
    areas = torch.bincount(ids.flatten(), minlength=len(segment_labels) + 1).tolist()
    return Panoptic(ids, tuple(Segment(id, label, areas[id]) for id, label in segment_labels.items()))


def _resized(mask_logits: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(mask_logits.float()[None], size, mode="bilinear", align_corners=False)[0]


def _boxes(masks: Tensor) -> Tensor:
    """(N, H, W) bool to (N, 4) float: left, top, right, bottom; zeros for an empty mask."""
    edges = []
    for lines in (masks.any(1), masks.any(2)):
        some = lines.any(1)
        first = lines.byte().argmax(1)
        last = lines.shape[1] - lines.flip(1).byte().argmax(1)
        edges.append((first * some, last * some))
    (left, right), (top, bottom) = edges
    return torch.stack([left, top, right, bottom], dim=1).float()
