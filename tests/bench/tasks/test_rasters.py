"""Semantic segmentation and depth estimation: by hand on small maps, and against other counts on random ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from hourglass.bench import tasks
from hourglass.bench.datasets.base import Category, Sample
from hourglass.bench.datasets.rasters import read_depth, read_semantic
from hourglass.registry import UserError

CATEGORIES = tuple(Category(i, str(i), False, (0, 0, 0)) for i in range(3))


def score(task, pairs):
    scorer = tasks.scorer(task, CATEGORIES)
    for prediction, target in pairs:
        scorer.add(prediction, Sample(0, torch.zeros(3, 1, 1), target))
    return scorer.values()


def test_intersection_and_union_are_summed_before_they_are_divided():
    pairs = [
        (torch.tensor([[0, 0, 0, 1]]), torch.tensor([[0, 0, 0, 0]])),
        (torch.tensor([[1, 0, 1, 1]]), torch.tensor([[1, 1, 255, 255]])),
    ]
    found = score(tasks.get("semantic-segmentation"), pairs)
    assert found["miou"] == pytest.approx((3 / 5 + 1 / 3) / 2)
    assert found["pixel_accuracy"] == pytest.approx(4 / 6)
    assert found["class_accuracy"] == pytest.approx((3 / 4 + 1 / 2) / 2)


def test_miou_on_random_maps_equals_a_count_by_sets():
    rng = np.random.default_rng(0)
    predicted, true = rng.integers(0, 3, (2, 30, 40))
    true[rng.random(true.shape) < 0.2] = 255
    counted = true != 255
    ious = [
        np.sum((predicted == c) & (true == c)) / np.sum(((predicted == c) & counted) | (true == c)) for c in range(3)
    ]
    found = score(tasks.get("semantic-segmentation"), [(torch.from_numpy(predicted), torch.from_numpy(true))])
    assert found["miou"] == pytest.approx(np.mean(ious), abs=1e-12)


def test_without_a_counted_pixel_there_is_no_metric():
    ignored = torch.full((2, 2), 255)
    assert set(score(tasks.get("semantic-segmentation"), [(torch.zeros(2, 2).long(), ignored)]).values()) == {None}
    assert set(score(tasks.get("depth-estimation"), [(torch.ones(2, 2), torch.zeros(2, 2))]).values()) == {None}


def test_logits_are_resized_before_the_class_is_chosen():
    logits = torch.zeros(1, 3, 2, 2)
    logits[0, 1, :, 0] = logits[0, 2, :, 1] = 1.0
    labels = tasks.get("semantic-segmentation").predict(logits, [(4, 8)], CATEGORIES)[0]
    assert labels.tolist() == [[1, 1, 1, 1, 2, 2, 2, 2]] * 4


def test_a_class_too_many_is_not_taken_for_the_first_of_the_next(tmp_path):
    """Counted in a matrix of 3 x 3, label 3 of class 0 would be label 0 of class 1."""
    task = tasks.get("semantic-segmentation")
    with pytest.raises(UserError, match="model: gives 4 classes, but the data set has 3"):
        task.predict(torch.zeros(1, 4, 2, 2), [(2, 2)], CATEGORIES)
    with pytest.raises(UserError, match="model: gives 2 classes, but the data set has 3"):
        task.predict(torch.zeros(1, 2, 2, 2), [(2, 2)], CATEGORIES)
    with pytest.raises(UserError, match="model: gives 4 classes"):
        score(task, [(torch.tensor([[0, 3]]), torch.tensor([[0, 0]]))])


def test_predictions_of_images_in_folders_are_filed_in_folders(tmp_path):
    writer = tasks.get("semantic-segmentation").writer(tmp_path, CATEGORIES)
    for city, label in (("a", 0), ("b", 1)):
        writer.add(torch.tensor([[label]]), Sample(7, torch.zeros(3, 1, 1), None, f"{city}/1"))
    assert [read_semantic(tmp_path / city / "1.png", range(1, 4)).tolist() for city in "ab"] == [[[0]], [[1]]]


def test_depth_errors_by_hand():
    target = torch.tensor([[1.0, 2.0, 4.0, 0.0]])
    found = score(tasks.get("depth-estimation"), [(torch.tensor([[1.0, 3.0, 3.0, 9.0]]), target)])
    assert found["rmse_m"] == pytest.approx(math.sqrt(2 / 3))
    assert found["absrel"] == pytest.approx((0.5 + 0.25) / 3)
    assert found["sqrel_m"] == pytest.approx((0.5 + 0.25) / 3)
    logs = np.array([0, math.log(1.5), math.log(0.75)])
    assert found["rmse_log"] == pytest.approx(math.sqrt(np.mean(logs**2)))
    assert found["silog"] == pytest.approx(100 * logs.std())
    assert found["log10"] == pytest.approx(np.mean(np.abs(logs)) / math.log(10))
    assert [found[f"delta{k}"] for k in (1, 2, 3)] == pytest.approx([1 / 3, 1, 1])


def test_depth_is_averaged_over_images_not_pixels():
    pairs = [
        (torch.full((1, 1), 2.0), torch.full((1, 1), 1.0)),
        (torch.full((9, 9), 1.0), torch.full((9, 9), 1.0)),
        (torch.full((9, 9), 7.0), torch.zeros(9, 9)),
    ]
    assert score(tasks.get("depth-estimation"), pairs)["absrel"] == 0.5


def test_predicted_depth_is_made_finite_and_clamped():
    output = torch.tensor([[[float("nan"), float("inf"), -1.0, 90.0, 5.0]]])
    depth = tasks.get("depth-estimation", min_depth=0.5, max_depth=10.0).predict(output, [(1, 5)], CATEGORIES)[0]
    assert depth.tolist() == [[0.5, 10.0, 0.5, 10.0, 5.0]]


def test_depth_is_saved_in_the_units_of_the_data_set(tmp_path):
    writer = tasks.get("depth-estimation", units=256.0).writer(tmp_path, CATEGORIES)
    writer.add(torch.tensor([[1.5, 80.0, 300.0]]), Sample(7, torch.zeros(3, 1, 2), None, "street"))
    assert read_depth(tmp_path / "street.png", scale=256.0).tolist() == [[1.5, 80.0, 65535 / 256]]


def test_predictions_are_saved_in_the_formats_of_the_targets(tmp_path):
    sample = Sample(7, torch.zeros(3, 1, 2), None, "street")
    for name, prediction, read in (
        ("semantic-segmentation", torch.tensor([[2, 0]]), lambda path: read_semantic(path, range(1, 4))),
        ("depth-estimation", torch.tensor([[1.5, 70.0]]).clamp(max=65.535), read_depth),
    ):
        writer = tasks.get(name).writer(tmp_path / name, CATEGORIES)
        writer.add(prediction, sample)
        writer.close()
        assert torch.equal(read(tmp_path / name / "street.png"), prediction)
