"""Scorers that saw parts of a split say, merged, what one that saw all of it says: to the last digit."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from hourglass.bench import tasks
from hourglass.bench.datasets.base import Category, Instances, Panoptic, Sample, Segment
from hourglass.bench.datasets.coco import masks
from hourglass.bench.tasks import Detections

SIZE = (40, 50)
CATEGORIES = tuple(Category(2 * i + 1, str(i), i < 4, (0, 0, 0)) for i in range(6))


def labels(rng):
    return torch.from_numpy(rng.integers(0, len(CATEGORIES), SIZE))


def semantic(rng):
    return labels(rng), labels(rng)


def depth(rng):
    predicted, true = torch.from_numpy(rng.uniform(0.5, 9.5, (2, *SIZE)).astype(np.float32))
    return predicted, true * (rng.random() < 0.9)  # some images have no known depth


def saliency(rng):
    seen, noise = torch.from_numpy(rng.random((2, *SIZE)))
    return seen + noise, seen


def panoptic(rng):
    true = torch.from_numpy(np.kron(rng.integers(0, 6, (4, 5)), np.ones((10, 10), int)))
    noise = torch.from_numpy(rng.random(SIZE)) < 0.2
    return tuple(segments(ids) for ids in (torch.where(noise, labels(rng), true), true))


def segments(ids):
    present = zip(*torch.unique(ids, return_counts=True), strict=True)
    return Panoptic(ids, tuple(Segment(int(i), int(i), int(area)) for i, area in present if i))


def detections(rng):
    true, found = boxes(rng, rng.integers(0, 4)), boxes(rng, rng.integers(0, 4))
    found = torch.cat([found, true + torch.from_numpy(rng.normal(0, 0.7, true.shape)).float()])
    which = torch.from_numpy(rng.integers(0, 4, len(true)))
    guessed = torch.cat([torch.from_numpy(rng.integers(0, 4, len(found) - len(true))), which])
    annotations = [
        masks.annotate(mask.numpy(), id=i, image_id=0, category_id=CATEGORIES[label].id)
        for i, (mask, label) in enumerate(zip(filled(true), which.tolist(), strict=True))
    ]
    scores = torch.from_numpy(rng.random(len(found)))
    return Detections(found, scores, guessed, filled(found)), Instances(SIZE, which, tuple(annotations))


def boxes(rng, count):
    corners = torch.from_numpy(rng.uniform(0, 30, (count, 2)))
    return torch.cat([corners, corners + torch.from_numpy(rng.uniform(5, 20, (count, 2)))], 1).float()


def filled(boxes):
    rows, columns = torch.meshgrid(*map(torch.arange, SIZE), indexing="ij")
    left, top, right, bottom = boxes.T[:, :, None, None]
    return (columns >= left) & (columns <= right) & (rows >= top) & (rows <= bottom)


SPLITS = {
    "semantic-segmentation": semantic,
    "depth-estimation": depth,
    "panoptic-segmentation": panoptic,
    "saliency-agreement": saliency,
    "object-detection": detections,
    "instance-segmentation": detections,
}


def split(name, images=13):
    rng = np.random.default_rng(5)
    pairs = [SPLITS[name](rng) for _ in range(images)]
    return [(found, Sample(10 + i, torch.zeros(3, *SIZE), true)) for i, (found, true) in enumerate(pairs)]


def scored(name, pairs):
    scorer = tasks.scorer(tasks.get(name), CATEGORIES)
    for found, sample in pairs:
        scorer.add(found, sample)
    return scorer


@pytest.mark.parametrize("shards", [1, 2, 7, 20])
@pytest.mark.parametrize("name", tasks.TASKS.names())
def test_merged_metrics_are_the_same_to_the_last_digit(name, shards):
    pairs = split(name)
    whole = scored(name, pairs).values()
    merged = tasks.scorer(tasks.get(name), CATEGORIES)
    for part in np.array_split(np.arange(len(pairs)), shards):
        state = scored(name, [pairs[i] for i in part]).state()
        merged.merge(json.loads(json.dumps(state)))
    assert merged.values() == whole
    primary = tasks.metrics(name)[0].name
    assert whole[primary] > 0.05, "there is something to count"


@pytest.mark.parametrize("name", ["depth-estimation", "panoptic-segmentation"])
def test_the_order_of_the_shards_is_what_keeps_the_last_digit(name):
    """Sums of floats depend on their order, and on partial sums: the test above would see either."""
    states = [scored(name, [pair]).state() for pair in split(name, images=60)]
    values = []
    for order in (states, sorted(states, key=str)):
        merged = tasks.scorer(tasks.get(name), CATEGORIES)
        for state in order:
            merged.merge(state)
        values.append(merged.values())
    assert values[0] != values[1]
    assert values[0] == pytest.approx(values[1])
