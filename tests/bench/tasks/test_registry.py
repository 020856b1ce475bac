"""What holds for every task."""

from __future__ import annotations

import pytest
import torch

from hourglass.bench import tasks
from hourglass.bench.datasets.base import Category, Panoptic, Sample, Segment
from hourglass.bench.datasets.folders import PanopticDataset
from hourglass.bench.datasets.rasters import write_pixels
from hourglass.registry import UserError

CATEGORIES = (Category(1, "cat", True, (0, 0, 0)), Category(4, "sky", False, (9, 9, 9)))


@pytest.mark.parametrize("name", tasks.TASKS.names())
def test_metrics_are_declared_once(name):
    task = tasks.get(name)
    names = [metric.name for metric in tasks.metrics(name)]
    assert task.name == name
    assert len(set(names)) == len(names)
    assert set(tasks.scorer(task, CATEGORIES).values()) == set(names)


def test_metric_names_do_not_collide_between_tasks():
    names = [metric.name for name in tasks.TASKS.names() for metric in tasks.metrics(name)]
    assert len(set(names)) == len(names)


def test_an_unknown_task_suggests_the_nearest():
    with pytest.raises(UserError, match="did you mean 'depth-estimation'"):
        tasks.get("depth-estimate")


def test_saved_panoptic_predictions_are_a_data_set_in_cocos_format(tmp_path):
    prediction = Panoptic(torch.tensor([[1, 1, 0], [2, 2, 2]]), (Segment(1, 0, 2), Segment(2, 1, 3)))
    writer = tasks.get("panoptic-segmentation").writer(tmp_path, CATEGORIES)
    writer.add(prediction, Sample(5, torch.zeros(3, 2, 3), None, "street"))
    writer.close()
    write_pixels(tmp_path / "images" / "street.png", torch.zeros(2, 3, 3, dtype=torch.uint8).numpy())
    again = PanopticDataset("p", "val", CATEGORIES, tmp_path, tmp_path / "images", tmp_path / "panoptic.json")[0]
    assert again.image_id == 5
    assert torch.equal(again.target.ids, prediction.ids)
    assert again.target.segments == prediction.segments
