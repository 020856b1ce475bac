"""The search for plans beside the plans that the embedded suite has by hand, on its real Segmenter.

Both are judged on the same images (a quarter of each, to be quick), by the distortion of the model's outputs and by the
work of its linear layers in place of a clock, so that the machine has no say.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

import hourglass
from hourglass import Plan
from hourglass.tuning import search
from hourglass.tuning.distortion import distortion

from ..work_clock import WorkClock

models = pytest.importorskip("hourglass.bench.models")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def images() -> list[torch.Tensor]:
    from hourglass.bench.datasets.scenes.render import render_scene

    scenes = [torch.from_numpy(render_scene("tune", index).image).permute(2, 0, 1) for index in range(2)]
    return [scene[None, :, 64:192, 64:192].float() / 255 for scene in scenes]


def measured(model: nn.Module, plan: Plan, images: list[torch.Tensor], clock: WorkClock) -> tuple[float, float]:
    """Speed-up and loss of a plan."""
    with torch.inference_mode():
        begin = clock()
        outputs = [model(image) for image in images]
        whole = clock() - begin
        hourglass.apply(model, plan)
        begin = clock()
        others = [model(image) for image in images]
        few = clock() - begin
        hourglass.remove(model)
    losses = [distortion(other, output) for other, output in zip(others, outputs, strict=True)]
    return whole / few, sum(losses) / len(losses)


def test_what_is_found_is_at_least_as_good_at_equal_speed(images, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(search, "ROUNDS", 1)  # on this clock every round is the same
    monkeypatch.setattr(search, "MOST_ROUNDS", 1)
    model = models.build("segmenter-scenes", tmp_path).eval()
    clock = WorkClock(model)
    front = hourglass.tune(model, images, clock=clock, budget=float("inf"))
    assert len(front.trials) == front.candidates
    for plan in (Plan(4, (8, 8)), Plan(2, (8, 8))):
        speedup, loss = measured(model, plan, images, clock)
        assert speedup > 1.1
        found = front.choose(speedup=speedup * (1 - 1e-9))
        assert found.loss <= loss * (1 + 1e-6), f"{found} is worse than {plan}: {speedup:.2f}x for {loss:.2%}"
        published = replace(plan, form="published", neighbors=None)
        assert found.loss < measured(model, published, images, clock)[1]
