"""Panoptic quality equals that of COCO's own evaluation, and follows its rules one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hourglass.bench.datasets.base import Category, Panoptic, Sample, Segment
from hourglass.bench.tasks.panoptic import PanopticScorer, PanopticSegmentation
from hourglass.bench.tasks.panoptic_quality import count_image

GOLDEN = Path(__file__).parent / "golden" / "panoptic.npz"
"""Maps of panopticapi's two sample images (COCO annotations, CC BY 4.0) and what panopticapi says of `perturbed` ones.

``ids_i`` (H, W), ``segments_i`` rows of (id, label, crowd), ``isthing`` (133,), ``figures`` (seeds, 9) in the order of
the task's metrics.
"""
SEEDS = range(4)


def as_panoptic(ids, rows):
    areas = dict(zip(*np.unique(ids, return_counts=True), strict=True))
    segments = tuple(Segment(int(i), int(label), int(areas[i]), bool(crowd)) for i, label, crowd in rows if i in areas)
    return Panoptic(torch.from_numpy(ids.astype(np.int64)), segments)


def perturbed(ids, rows, seed):
    """A prediction with every kind of mistake: shifted, split, merged, lost and mislabelled segments; no crowd."""
    rng = np.random.default_rng(seed)
    ids = np.roll(ids, tuple(rng.integers(-9, 10, 2)), (0, 1))
    labels = {int(i): int(label) for i, label, _ in rows}
    for segment in sorted(labels):
        fate = rng.random()
        if fate < 0.12:
            ids = np.where(ids == segment, 0, ids)
        elif fate < 0.24:
            other = int(rng.choice(sorted(labels)))
            ids = np.where(ids == segment, other, ids)
        elif fate < 0.36:
            labels[segment] = int(rng.choice(sorted(labels.values())))
        elif fate < 0.48:
            columns = np.arange(ids.shape[1]) > np.flatnonzero((ids == segment).any(0)).mean()
            labels[segment + 1000] = labels[segment]
            ids = np.where((ids == segment) & columns, segment + 1000, ids)
    unclaimed = int(rng.choice(sorted(labels)))
    ids[: ids.shape[0] // 8] = unclaimed
    present = set(np.unique(ids).tolist())
    return ids, [(i, label, 0) for i, label in labels.items() if i in present]


def golden():
    with np.load(GOLDEN) as data:
        return dict(data)


def categories(isthing):
    return [Category(i, str(i), bool(thing), (0, 0, 0)) for i, thing in enumerate(isthing)]


def values(pairs, isthing):
    scorer = PanopticScorer(PanopticSegmentation(), categories(isthing))
    for prediction, truth in pairs:
        scorer.add(prediction, Sample(0, torch.zeros(3, 1, 1), truth))
    return scorer.values()


@pytest.mark.parametrize("seed", SEEDS)
def test_equal_to_panopticapi(seed):
    data = golden()
    pairs = []
    for i in range(2):
        ids, rows = data[f"ids_{i}"].astype(np.int64), data[f"segments_{i}"]
        pairs.append((as_panoptic(*perturbed(ids, rows, seed)), as_panoptic(ids, rows)))
    ours = values(pairs, data["isthing"])
    expected = dict(zip([m.name for m in PanopticScorer.metrics], data["figures"][seed].tolist(), strict=True))
    assert ours == pytest.approx(expected, abs=1e-6)
    assert 0.05 < expected["pq"] < 0.95


TRUTH = np.array([[1, 1, 1, 1, 2, 2, 2, 2, 0, 0]])
ROWS = [(1, 0, 0), (2, 1, 1)]


@pytest.mark.parametrize(
    ("predicted", "rows", "hits", "false", "missed"),
    [
        ([[5, 5, 5, 5, 0, 0, 0, 0, 0, 0]], [(5, 0, 0)], 1, 0, 0),
        ([[5, 5, 0, 0, 0, 0, 0, 0, 0, 0]], [(5, 0, 0)], 0, 1, 1),
        ([[5, 5, 5, 0, 0, 0, 0, 0, 0, 0]], [(5, 0, 0)], 1, 0, 0),
        ([[5, 5, 5, 5, 0, 0, 0, 0, 0, 0]], [(5, 2, 0)], 0, 1, 1),
        ([[5, 5, 5, 0, 0, 0, 0, 0, 5, 5]], [(5, 0, 0)], 1, 0, 0),
        ([[0, 0, 0, 0, 0, 0, 0, 5, 5, 5]], [(5, 0, 0)], 0, 0, 1),
        ([[0, 0, 0, 0, 5, 5, 5, 0, 0, 0]], [(5, 1, 0)], 0, 0, 1),
        ([[0, 0, 0, 0, 5, 5, 5, 0, 0, 0]], [(5, 0, 0)], 0, 1, 1),
        ([[0, 0, 0, 5, 5, 0, 0, 0, 0, 0]], [(5, 1, 0)], 0, 1, 1),
    ],
    ids=[
        "whole",
        "half is no match",
        "more than half is",
        "other class",
        "void leaves the union",
        "mostly void is excused",
        "crowd of the class excuses",
        "crowd of another class does not",
        "exactly half does not",
    ],
)
def test_each_rule(predicted, rows, hits, false, missed):
    counts = count_image(as_panoptic(np.array(predicted), rows), as_panoptic(TRUTH, ROWS), 3)
    assert counts.true_positives.sum() == hits
    assert counts.false_positives.sum() == false
    assert counts.false_negatives.sum() == missed


def test_classes_that_do_not_occur_are_left_out():
    truth = as_panoptic(TRUTH, [(1, 0, 0), (2, 2, 0)])
    found = values([(truth, truth)], [True, True, False, False])
    assert set(found.values()) == {1.0}
    only_things = values([(as_panoptic(TRUTH, ROWS[:1]), as_panoptic(TRUTH, ROWS[:1]))], [True, True, False])
    assert only_things["pq"] == only_things["pq_things"] == 1.0
    assert only_things["pq_stuff"] is None


def test_maps_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match=r"prediction: is \(1, 9\)"):
        count_image(as_panoptic(TRUTH[:, :9], ROWS), as_panoptic(TRUTH, ROWS), 3)
