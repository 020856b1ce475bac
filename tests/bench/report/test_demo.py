"""The demo shows what a model sees: near and far the right way round, and no picture too late."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from hourglass.acceleration.plan import Plan
from hourglass.bench import models, pictures, tasks
from hourglass.bench.datasets.rasters import read_image, write_pixels
from hourglass.bench.measuring.running import to_float
from hourglass.bench.models import hub
from hourglass.bench.report import demo
from hourglass.registry import UserError

from ..models.snapshots import save

PLAN = Plan(start=1, clusters=(2, 2))


@pytest.fixture(scope="module")
def relative(tmp_path_factory):
    """A DPT as MiDaS has them."""
    folder = save("depth", tmp_path_factory.mktemp("depth"), [])
    return hub.build(folder, "depth-estimation", None, resize=True)


@pytest.fixture
def photo(tmp_path):
    rows, columns = np.mgrid[:48, :64]
    write_pixels(tmp_path / "photo.png", np.stack([rows * 5, columns * 3, rows + columns], -1).astype(np.uint8))
    return tmp_path / "photo.png"


def test_relative_depth_has_near_and_far_the_right_way_round(relative, photo):
    assert relative.relative_depth
    comparison = demo.compare(photo, relative, "depth-estimation", (), PLAN)
    with torch.inference_mode():
        inverse = relative(to_float(read_image(photo)[None]))[0]
    depth = comparison.predictions[0]
    assert depth.shape == inverse.shape
    assert depth.min() == pytest.approx(1)
    assert depth.max() == pytest.approx(20)
    order = inverse.flatten().argsort()
    assert (depth.flatten()[order].diff() <= 0).all(), "what has more of the inverse is nearer"
    painted = pictures.draw("depth-estimation", comparison.image, depth, ()).astype(int).sum(-1)
    assert painted.flat[inverse.argmax()] > painted.flat[inverse.argmin()], "near is bright"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"model_type": "dpt", "backbone_config": None}, True),
        ({"model_type": "dpt", "backbone_config": SimpleNamespace(model_type="bit")}, True),
        ({"model_type": "dpt", "backbone_config": SimpleNamespace(model_type="dinov2")}, False),
        ({"model_type": "depth_anything", "depth_estimation_type": "relative"}, True),
        ({"model_type": "depth_anything", "depth_estimation_type": "metric"}, False),
        ({"model_type": "zoedepth"}, False),
        ({"model_type": "glpn"}, False),
    ],
)
def test_which_models_have_relative_depth(relative, monkeypatch, config, expected):
    monkeypatch.setattr(relative.model, "config", SimpleNamespace(**config))
    assert relative.relative_depth is expected


def test_depth_of_a_flat_inverse_is_flat():
    assert demo.depth_of_inverse(torch.full((2, 3), 7.0)).unique().numel() == 1


def test_an_image_too_small_for_the_plan_is_one_line(relative, photo):
    with pytest.raises(UserError, match=r"8 x 8 tokens of this input: choose fewer, or a larger image") as caught:
        demo.compare(photo, relative, "depth-estimation", (), Plan(start=1, clusters=(40, 40)))
    assert "\n" not in str(caught.value)


def test_a_picture_that_cannot_be_written_is_said_before_anything_is_computed(tmp_path):
    demo.require_picture(tmp_path / "new" / "demo.PNG")
    with pytest.raises(UserError, match=r"demo\.txt: has the ending of no picture; choose one of .*\.png"):
        demo.require_picture(tmp_path / "demo.txt")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"demo\.png: cannot be written: "):
        demo.require_picture(tmp_path / "file" / "demo.png")


@pytest.mark.parametrize("task", [task for task in tasks.TASKS.names() if task != "saliency-agreement"])
def test_each_task_has_a_model_and_a_plan_to_begin_with(task):
    model = demo.default_model(task)
    assert task in models.card(model).tasks
    assert isinstance(demo.default_plan(model, task), Plan)
