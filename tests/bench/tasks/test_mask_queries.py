"""Mask queries become instances and panoptic maps by Mask2Former's rules, and by MaskDINO's."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from hourglass.bench import tasks
from hourglass.bench.datasets.base import Category
from hourglass.bench.tasks.mask_queries import LogitDecoding
from hourglass.registry import UserError

CATEGORIES = tuple(
    Category(i + 1, name, thing, (0, 0, 0))
    for i, (name, thing) in enumerate([("cat", True), ("dog", True), ("sky", False)])
)
CAT, DOG, SKY, NOTHING = range(4)
SURE = 12.0


def queries(*found, size=(4, 8)):
    """A model's output for one image: per query the class, its logit, and the columns it claims, with a mask logit."""
    classes, masks = torch.zeros(1, len(found), 4), torch.full((1, len(found), *size), -SURE)
    for q, (label, logit, columns, mask_logit) in enumerate(found):
        classes[0, q, label] = logit
        masks[0, q, :, columns] = mask_logit
    return SimpleNamespace(class_queries_logits=classes, masks_queries_logits=masks)


def panoptic(output, size=(4, 8), **settings):
    return tasks.get("panoptic-segmentation", **settings).predict(output, [size], CATEGORIES)[0]


def columns_of(prediction):
    """Segment id per column, and the label of each id."""
    assert (prediction.ids == prediction.ids[:1]).all()
    return prediction.ids[0].tolist(), {segment.id: segment.label for segment in prediction.segments}


def test_class_scores_add_up_over_queries():
    """Two weak cats outdo a stronger dog where they meet; what is no object counts for nothing."""
    output = queries(
        (DOG, 1.0, slice(0, 6), SURE), *[(CAT, 0.8, slice(2, 8), SURE)] * 2, (NOTHING, SURE, slice(0, 8), SURE)
    )
    labels = tasks.get("semantic-segmentation").predict(output, [(8, 16)], CATEGORIES)[0]
    assert labels.shape == (8, 16)
    assert (labels[:, :3] == DOG).all()
    assert (labels[:, 5:] == CAT).all()


def test_pixels_go_to_the_query_that_claims_them_most():
    output = queries((CAT, SURE, slice(0, 4), 3.0), (SKY, SURE, slice(3, 8), SURE))
    assert columns_of(panoptic(output, overlap_threshold=0.7)) == ([1, 1, 1, 2, 2, 2, 2, 2], {1: CAT, 2: SKY})


def test_queries_that_lose_much_of_their_mask_make_no_segment():
    output = queries((CAT, SURE, slice(0, 4), 3.0), (SKY, SURE, slice(3, 8), SURE))
    assert columns_of(panoptic(output, overlap_threshold=0.8)) == ([0, 0, 0, 1, 1, 1, 1, 1], {1: SKY})


def test_stuff_of_one_class_is_one_segment_and_things_are_not():
    output = queries(
        (SKY, SURE, slice(0, 2), SURE),
        (CAT, SURE, slice(2, 4), SURE),
        (CAT, SURE, slice(4, 6), SURE),
        (SKY, SURE, slice(6, 8), SURE),
    )
    ids, labels = columns_of(panoptic(output))
    assert ids == [1, 1, 2, 2, 3, 3, 1, 1]
    assert labels == {1: SKY, 2: CAT, 3: CAT}
    assert [segment.area for segment in panoptic(output).segments] == [16, 8, 8]


@pytest.mark.parametrize(("label", "logit"), [(NOTHING, SURE), (CAT, 2.0)])
def test_unsure_queries_and_no_object_make_no_segment(label, logit):
    prediction = panoptic(queries((label, logit, slice(0, 8), SURE)))
    assert prediction.segments == ()
    assert not prediction.ids.any()


def test_the_score_threshold_is_a_setting():
    output = queries((CAT, 2.0, slice(0, 8), SURE))
    assert panoptic(output, score_threshold=0.5).segments[0].label == CAT


def test_masks_are_resized_to_the_image():
    prediction = panoptic(queries((CAT, SURE, slice(0, 4), SURE), (SKY, SURE, slice(4, 8), SURE)), size=(16, 32))
    assert prediction.ids.shape == (16, 32)
    assert [segment.area for segment in prediction.segments] == [256, 256]


def instances(output, size=(4, 8), **settings):
    return tasks.get("instance-segmentation", **settings).predict(output, [size], CATEGORIES)[0]


def test_each_class_of_each_query_is_a_candidate_but_stuff():
    found = instances(queries((CAT, SURE, slice(0, 4), SURE), (SKY, SURE, slice(4, 8), SURE)))
    assert found.labels.tolist().count(SKY) == 0
    assert len(found.scores) == 4
    best = found.scores.argmax()
    assert found.labels[best] == CAT
    assert found.boxes[best].tolist() == [0, 0, 4, 4]
    assert found.masks[best][:, :4].all()
    assert not found.masks[best][:, 4:].any()


def test_the_limit_comes_before_stuff_is_dropped():
    output = queries((CAT, 1.0, slice(0, 4), SURE), (SKY, SURE, slice(4, 8), SURE))
    assert len(instances(output, limit=1).scores) == 0


def test_scores_are_class_times_mask_probability():
    found = instances(queries((CAT, 2.0, slice(0, 4), 0.5)), limit=1)
    logits = torch.tensor([2.0, 0, 0, 0])
    assert found.scores.item() == pytest.approx(
        logits.softmax(0)[0].item() * torch.tensor(0.5).sigmoid().item(), rel=1e-5
    )


def test_empty_masks_have_empty_boxes_and_no_score():
    found = instances(queries((CAT, SURE, slice(0, 0), SURE)))
    assert found.boxes[0].tolist() == [0, 0, 0, 0]
    assert found.scores.tolist() == [0, 0]


@pytest.fixture
def maskdino():
    """Logits, and what MaskDINO's own code (commit 3831d85) makes of them; of the scores, none is twice the same."""
    with np.load(Path(__file__).parent / "golden" / "maskdino.npz") as data:
        golden = SimpleNamespace(**data)
    golden.size = golden.ids.shape
    golden.categories = [Category(i, str(i), bool(thing), (0, 0, 0)) for i, thing in enumerate(golden.isthing)]
    golden.output = SimpleNamespace(
        class_queries_logits=torch.from_numpy(golden.class_logits)[None],
        masks_queries_logits=torch.from_numpy(golden.mask_logits)[None],
        decoding=LogitDecoding(temperature=0.06, score_threshold=0.25),
    )
    return golden


def test_panoptic_maps_are_those_of_maskdino(maskdino):
    task = tasks.get("panoptic-segmentation")
    [found] = task.predict(maskdino.output, [maskdino.size], maskdino.categories)
    assert np.array_equal(found.ids, maskdino.ids)
    assert [segment.label for segment in found.segments] == maskdino.labels.tolist()


def test_instances_are_those_of_maskdino(maskdino):
    task = tasks.get("instance-segmentation", limit=30)
    [found] = task.predict(maskdino.output, [maskdino.size], maskdino.categories)
    order = found.scores.argsort(descending=True)
    assert found.scores[order].numpy() == pytest.approx(maskdino.instance_scores, abs=1e-6)
    assert found.labels[order].tolist() == maskdino.instance_labels.tolist()
    assert np.array_equal(np.packbits(found.masks[order]), maskdino.instance_masks)


def test_labels_are_those_of_maskdino(maskdino):
    """But for pixels near a tie, as MaskDINO resizes masks, and this project the class scores made of them."""
    task = tasks.get("semantic-segmentation")
    [found] = task.predict(maskdino.output, [maskdino.size], maskdino.categories)
    assert (found.numpy() == maskdino.classes).mean() > 0.9


@pytest.mark.parametrize(
    "decoding", [LogitDecoding(0.06, 0.5), LogitDecoding(1e6, 0.25)], ids=["threshold", "temperature"]
)
def test_a_reading_matters(maskdino, decoding):
    maskdino.output.decoding = decoding
    [found] = tasks.get("panoptic-segmentation").predict(maskdino.output, [maskdino.size], maskdino.categories)
    assert not np.array_equal(found.ids, maskdino.ids)


@pytest.mark.parametrize("task", ["semantic-segmentation", "instance-segmentation", "panoptic-segmentation"])
def test_a_model_with_a_class_too_many_is_named(task):
    output = SimpleNamespace(
        class_queries_logits=torch.zeros(1, 2, len(CATEGORIES) + 2), masks_queries_logits=torch.zeros(1, 2, 4, 8)
    )
    with pytest.raises(UserError, match=f"model: gives {len(CATEGORIES) + 1} classes, but the data set has"):
        tasks.get(task).predict(output, [(4, 8)], CATEGORIES)
