"""From detections with a mask each, as torchvision's Mask R-CNN hands them out, to instances and panoptic maps.

Per image a dict of ``boxes`` (N, 4), ``scores`` (N,), ``labels`` (N,) and ``masks`` (N, 1, H, W), the probability that
a pixel is of the object; for panoptic maps also ``semantic`` (K, h, w), logits of all classes. How the two are put
together is section 3.2 of Kirillov et al., *Panoptic Feature Pyramid Networks* (CVPR 2019, arXiv 1901.02446), with the
thresholds that detectron2 has for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from hourglass.bench.datasets.base import Category, Panoptic, Segment
from hourglass.bench.tasks.base import Detections, require_classes
from hourglass.registry import UserError

SCORE_THRESHOLD = 0.5
"""Score that a detection needs for a panoptic segment."""
OVERLAP_THRESHOLD = 0.5
"""Share of its mask that a detection must not have lost to better ones."""

Found = Mapping[str, Tensor]


def instances(
    found: Found, size: tuple[int, int], categories: Sequence[Category], *, mask_threshold: float, limit: int
) -> Detections:
    """The likeliest detections, as they are, with masks (N, H, W) of yes and no.

    Args:
        found: Of one image.
        size: Height and width of the image.
        categories: Of the data set; what is stuff among them is no object.
        mask_threshold: Probability from which on a pixel belongs to the object.
        limit: Detections to keep, before those of stuff classes are dropped.

    Raises:
        UserError: There are no masks, or they are not of the image's size, or a label stands for no class.
    """
    masks = _masks(found, size) >= mask_threshold
    labels, scores = found["labels"], found["scores"].float()
    if len(labels):
        require_classes(int(labels.max()) + 1, categories)
    things = torch.tensor([category.isthing for category in categories], device=labels.device)
    best = scores.argsort(descending=True, stable=True)[:limit]
    best = best[things[labels[best]]]
    return Detections(found["boxes"][best].float(), scores[best], labels[best], masks[best])


def panoptic(
    found: Found,
    size: tuple[int, int],
    categories: Sequence[Category],
    *,
    score_threshold: float,
    overlap_threshold: float,
    mask_threshold: float,
    stuff_area: float,
) -> Panoptic:
    """Things by descending score, each where no better one is; then stuff where there is no thing.

    Args:
        found: Of one image.
        size: Height and width of the image.
        categories: K of them.
        score_threshold: Detections below it make no segment.
        overlap_threshold: A detection that is left less than this share of its mask makes no segment.
        mask_threshold: Probability from which on a pixel belongs to the object.
        stuff_area: Share of the image that a stuff class must be given, or it makes no segment.

    Raises:
        UserError: As `instances`; or there are no logits of K classes.
    """
    if "semantic" not in found:
        raise UserError("model: hands out no 'semantic' logits, which panoptic segmentation needs beside the masks")
    logits = found["semantic"].float()
    require_classes(len(logits), categories, exactly=True)
    objects = instances(found, size, categories, mask_threshold=mask_threshold, limit=len(found["labels"]))
    assert objects.masks is not None
    ids = torch.zeros(size, dtype=torch.int64, device=logits.device)
    segments: list[Segment] = []
    for mask, score, label in zip(objects.masks, objects.scores.tolist(), objects.labels.tolist(), strict=True):
        free = mask & (ids == 0)
        area = int(free.sum())
        if score < score_threshold or not area or area < overlap_threshold * int(mask.sum()):
            continue
        segments.append(Segment(len(segments) + 1, label, area))
        ids[free] = len(segments)

    classes = F.interpolate(logits[None], size, mode="bilinear", align_corners=False)[0].argmax(0)
    for label in [label for label, category in enumerate(categories) if not category.isthing]:
        free = (classes == label) & (ids == 0)
        area = int(free.sum())
        if not area or area < stuff_area * classes.numel():
            continue
        segments.append(Segment(len(segments) + 1, label, area))
        ids[free] = len(segments)
    return Panoptic(ids, tuple(segments))


def _masks(found: Found, size: tuple[int, int]) -> Tensor:
    """(N, H, W), of the image's size."""
    if "masks" not in found:
        raise UserError("model: hands out detections without 'masks'; it does object detection, but no segmentation")
    masks = found["masks"].float().squeeze(1)
    if masks.shape[1:] != torch.Size(size):
        seen, asked = (" x ".join(map(str, each)) for each in (masks.shape[1:], size))
        raise UserError(f"model: hands out masks of {seen} pixels for an image of {asked}; they must be of its size")
    return masks
