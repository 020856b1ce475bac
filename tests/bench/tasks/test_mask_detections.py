"""Detections with masks become instances as they are, and panoptic maps by the rules of Panoptic FPN."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from hourglass.bench import tasks
from hourglass.bench.datasets.base import Category
from hourglass.registry import UserError

CATEGORIES = tuple(
    Category(i + 1, name, thing, (0, 0, 0))
    for i, (name, thing) in enumerate([("cat", True), ("dog", True), ("sky", False), ("sea", False)])
)
CAT, DOG, SKY, SEA = range(4)
SIZE = (4, 8)


def detections(*objects: tuple[int, float, slice], stuff: tuple[int, ...] = (), probability: float = 1.0) -> Any:
    """A detector's output for one image: class, score, columns of each object; likeliest class of each column."""
    masks = torch.zeros(len(objects), 1, *SIZE)
    for number, (_, _, columns) in enumerate(objects):
        masks[number, :, :, columns] = probability
    found = {
        "boxes": torch.tensor([[columns.start, 0, columns.stop, 4] for _, _, columns in objects]).reshape(-1, 4),
        "scores": torch.tensor([score for _, score, _ in objects]),
        "labels": torch.tensor([label for label, _, _ in objects], dtype=torch.int64),
        "masks": masks,
    }
    if stuff:
        found["semantic"] = torch.eye(4)[list(stuff)].T[:, None].expand(-1, SIZE[0], -1)
    return [found]


def predict(task: str, output: Any, **settings: Any) -> Any:
    return tasks.get(task, **settings).predict(output, [SIZE], CATEGORIES)[0]


def panoptic(output: Any, **settings: Any) -> tuple[list[int], dict[int, int]]:
    """Segment id per column, and the label of each id."""
    found = predict("panoptic-segmentation", output, **settings)
    assert (found.ids == found.ids[:1]).all()
    assert [segment.area for segment in found.segments] == [int((found.ids == s.id).sum()) for s in found.segments]
    return found.ids[0].tolist(), {segment.id: segment.label for segment in found.segments}


def test_instances_are_the_detections_best_first():
    found = predict("instance-segmentation", detections((CAT, 0.25, slice(0, 3)), (DOG, 0.75, slice(2, 8))))
    assert found.labels.tolist() == [DOG, CAT]
    assert found.scores.tolist() == [0.75, 0.25]
    assert found.boxes.tolist() == [[2, 0, 8, 4], [0, 0, 3, 4]]
    assert found.masks[:, 0].int().tolist() == [[0, 0, 1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0, 0, 0]]


def test_a_limit_keeps_the_best_and_stuff_is_no_object():
    output = detections((CAT, 0.2, slice(0, 3)), (SKY, 0.9, slice(0, 8)), (DOG, 0.5, slice(2, 8)))
    assert predict("instance-segmentation", output).labels.tolist() == [DOG, CAT]
    assert predict("instance-segmentation", output, limit=2).labels.tolist() == [DOG]


@pytest.mark.parametrize(("threshold", "inside"), [(0.5, 12), (0.7, 0)])
def test_a_mask_begins_at_its_threshold(threshold, inside):
    output = detections((CAT, 0.9, slice(0, 3)), probability=0.6)
    assert predict("instance-segmentation", output, mask_threshold=threshold).masks.sum() == inside


def test_the_better_detection_has_the_pixels_and_stuff_the_rest():
    output = detections((CAT, 0.6, slice(0, 4)), (DOG, 0.9, slice(3, 6)), stuff=(SKY,) * 7 + (SEA,))
    assert panoptic(output) == ([2, 2, 2, 1, 1, 1, 3, 4], {1: DOG, 2: CAT, 3: SKY, 4: SEA})


def test_a_detection_that_lost_half_of_its_mask_makes_no_segment():
    output = detections((CAT, 0.6, slice(0, 5)), (DOG, 0.9, slice(2, 6)), stuff=(SKY,) * 8)
    assert panoptic(output) == ([2, 2, 1, 1, 1, 1, 2, 2], {1: DOG, 2: SKY})
    assert panoptic(output, overlap_threshold=0.4)[1] == {1: DOG, 2: CAT, 3: SKY}


def test_an_unsure_detection_leaves_its_pixels_to_others():
    output = detections((DOG, 0.4, slice(0, 6)), (CAT, 0.3, slice(0, 4)), stuff=(SKY,) * 8)
    assert panoptic(output) == ([1] * 8, {1: SKY})
    assert panoptic(output, score_threshold=0.35)[1] == {1: DOG, 2: SKY}


def test_where_the_classes_say_thing_and_no_detection_agrees_there_is_no_segment():
    assert panoptic(detections(stuff=(SKY,) * 5 + (CAT,) * 3)) == ([1] * 5 + [0] * 3, {1: SKY})


def test_little_stuff_is_dropped():
    output = detections(stuff=(SKY,) * 7 + (SEA,))
    assert panoptic(output, stuff_area=0.125)[1] == {1: SKY, 2: SEA}
    assert panoptic(output, stuff_area=0.126) == ([1] * 7 + [0], {1: SKY})


def test_class_scores_are_resized_to_the_image():
    output = detections((CAT, 0.9, slice(0, 4)), stuff=(SKY, SKY, SEA, SEA))
    assert panoptic(output) == ([1] * 4 + [2] * 4, {1: CAT, 2: SEA})


def test_an_image_without_objects_has_stuff_alone():
    found = predict("instance-segmentation", detections(stuff=(SKY,) * 8))
    assert (found.boxes.shape, found.scores.shape, found.masks.shape) == ((0, 4), (0,), (0, *SIZE))
    assert panoptic(detections(stuff=(SKY,) * 8)) == ([1] * 8, {1: SKY})


def test_a_model_without_class_scores_makes_no_panoptic_map():
    with pytest.raises(UserError, match="hands out no 'semantic' logits, which panoptic segmentation needs"):
        predict("panoptic-segmentation", detections((CAT, 0.9, slice(0, 4))))


@pytest.mark.parametrize("task", ["instance-segmentation", "panoptic-segmentation"])
def test_detections_without_masks_are_no_segmentation(task):
    output = detections((CAT, 0.9, slice(0, 4)), stuff=(SKY,) * 8)
    del output[0]["masks"]
    with pytest.raises(UserError, match="detections without 'masks'; it does object detection, but no segmentation"):
        predict(task, output)


@pytest.mark.parametrize("task", ["instance-segmentation", "panoptic-segmentation"])
def test_masks_of_another_size_are_named(task):
    output = detections((CAT, 0.9, slice(0, 4)), stuff=(SKY,) * 8)
    with pytest.raises(UserError, match="masks of 4 x 8 pixels for an image of 8 x 16; they must be of its size"):
        tasks.get(task).predict(output, [(8, 16)], CATEGORIES)


@pytest.mark.parametrize("task", ["instance-segmentation", "panoptic-segmentation"])
def test_a_label_that_stands_for_no_class_is_named(task):
    output = detections((len(CATEGORIES), 0.9, slice(0, 4)), stuff=(SKY,) * 8)
    with pytest.raises(UserError, match="model: gives 5 classes, but the data set has 4"):
        predict(task, output)


def test_class_scores_of_other_classes_are_named():
    output = detections((CAT, 0.9, slice(0, 4)), stuff=(SKY,) * 8)
    output[0]["semantic"] = output[0]["semantic"][:3]
    with pytest.raises(UserError, match="model: gives 3 classes, but the data set has 4"):
        predict("panoptic-segmentation", output)
