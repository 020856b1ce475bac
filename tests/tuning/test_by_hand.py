"""The search for plans beside the plans that the embedded suite has by hand, on its real Segmenter and its Swin.

Both are judged on the same images (a quarter of each for the Segmenter, to be quick), by the distortion of the model's
outputs and by the work of its linear layers in place of a clock, so that the machine has no say.
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


HAND_PICKED = {
    "segmenter-scenes": (slice(64, 192), [Plan(4, (8, 8)), Plan(2, (8, 8))]),
    "mask2former-scenes": (slice(None), [Plan(4, (4, 4)), Plan(4, (3, 3))]),
}


def scenes(part: slice) -> list[torch.Tensor]:
    """Two images (1, 3, H, W) of the split for choices, or a part of each."""
    from hourglass.bench.datasets.scenes.render import render_scene

    whole = [torch.from_numpy(render_scene("tune", index).image).permute(2, 0, 1) for index in range(2)]
    return [scene[None, :, part, part].float() / 255 for scene in whole]


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


@pytest.mark.parametrize("name", HAND_PICKED)
def test_what_is_found_is_at_least_as_good_at_equal_speed(name, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(search, "ROUNDS", 1)  # on this clock every round is the same
    monkeypatch.setattr(search, "MOST_ROUNDS", 1)
    part, by_hand = HAND_PICKED[name]
    model, images = models.build(name, tmp_path).eval(), scenes(part)
    clock = WorkClock(model)
    for plan in by_hand:
        speedup, loss = measured(model, plan, images, clock)
        assert speedup > 1.1
        wanted = speedup * (1 - 1e-9)
        trials = tmp_path / "trials.json"
        front = hourglass.tune(model, images, speedup=wanted, clock=clock, budget=float("inf"), state=trials)
        found = front.choose(speedup=wanted)
        assert found.loss <= loss * (1 + 1e-6), f"{found} is worse than {plan}: {speedup:.2f}x for {loss:.2%}"
        published = replace(plan, form="published", neighbors=None)
        assert found.loss < measured(model, published, images, clock)[1]
