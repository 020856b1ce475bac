"""Pictures show what they are given."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hourglass.bench import tasks
from hourglass.bench.datasets.base import Category, Panoptic, Segment
from hourglass.bench.pictures import draw, outline
from hourglass.bench.tasks import Detections

CATEGORIES = (Category(1, "ball", True, (250, 0, 0)), Category(2, "grass", False, (0, 200, 0)))
IMAGE = torch.full((3, 40, 60), 100, dtype=torch.uint8)
LEFT = torch.zeros(40, 60, dtype=torch.bool)
LEFT[:, :30] = True
BOX = Detections(torch.tensor([[0.0, 0, 29, 39], [31, 0, 59, 39]]), torch.tensor([0.9, 0.1]), torch.tensor([0, 0]))
PREDICTIONS = {
    "semantic-segmentation": torch.where(LEFT, 0, 1),
    "depth-estimation": torch.where(LEFT, 2.0, 30.0),
    "object-detection": BOX,
    "instance-segmentation": Detections(BOX.boxes, BOX.scores, BOX.labels, torch.stack([LEFT, ~LEFT])),
    "panoptic-segmentation": Panoptic(torch.where(LEFT, 1, 2), (Segment(1, 0, 1200), Segment(2, 1, 1200))),
    "saliency-agreement": torch.where(LEFT, 0.1, 0.8),
}


@pytest.mark.parametrize("task", tasks.TASKS.names())
def test_every_task_is_drawn(task):
    picture = draw(task, IMAGE, PREDICTIONS[task], CATEGORIES)
    assert picture.shape == (40, 60, 3)
    assert picture.dtype == np.uint8
    assert (picture[:, :30].astype(int).sum(-1) != picture[:, 30:].astype(int).sum(-1)).mean() > 0.02
    assert (IMAGE == 100).all()


def test_classes_have_their_colours():
    picture = draw("semantic-segmentation", IMAGE, PREDICTIONS["semantic-segmentation"], CATEGORIES)
    assert picture[20, 10].tolist() == [190, 40, 40]
    assert picture[20, 50].tolist() == [40, 160, 40]


def test_unsure_objects_are_left_out():
    picture = draw("object-detection", IMAGE, BOX, CATEGORIES)
    assert (picture[30:39, 31:] == 100).all()
    assert picture[20, 0].tolist() == [250, 0, 0]


def test_near_is_bright():
    picture = draw("depth-estimation", IMAGE, PREDICTIONS["depth-estimation"], CATEGORIES).astype(int).sum(-1)
    assert picture[0, 0] > picture[0, -1]


def test_outlines_run_between_clusters_only():
    labels = np.array([[0, 0, 1], [0, 0, 1]])
    picture = outline(IMAGE, labels)
    assert picture.shape == (160, 240, 3)
    drawn = (picture == (255, 235, 60)).all(-1)
    assert drawn[:, 158:163].any(axis=1).all()
    assert not drawn[:, :155].any()
    assert not drawn[:, 165:].any()
