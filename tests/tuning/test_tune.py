"""The search for plans, with durations that count the tokens that blocks see in place of a clock."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import hourglass
from hourglass import Plan
from hourglass.tuning import Front, Trial, search
from hourglass.tuning.distortion import distortion
from hourglass.tuning.timing import interval

vision_transformer = pytest.importorskip("timm.models.vision_transformer")


class Clock:
    """Time that passes with every token that a block processes."""

    def __init__(self, blocks: nn.ModuleList) -> None:
        self.now = 0.0
        for block in blocks:
            block.attn.register_forward_pre_hook(self._tick)

    def _tick(self, module: nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        self.now += args[0].shape[1]

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return vision_transformer.VisionTransformer(
        img_size=48, patch_size=8, embed_dim=32, depth=4, num_heads=2, num_classes=0, global_pool=""
    ).eval()


@pytest.fixture
def images() -> list[torch.Tensor]:
    return [torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(seed)) for seed in range(2)]


@pytest.fixture
def _one_round(monkeypatch) -> None:
    """On this clock every round is the same."""
    monkeypatch.setattr(search, "ROUNDS", 1)
    monkeypatch.setattr(search, "MOST_ROUNDS", 2)


@pytest.mark.usefixtures("_one_round")
def test_the_front_gets_faster_and_worse(model, images) -> None:
    front = hourglass.tune(model, images, clock=Clock(model.blocks), budget=1e9)
    assert len(front.trials) == front.candidates > 5
    speeds, losses = [t.speedup for t in front.best], [t.loss for t in front.best]
    assert speeds == sorted(speeds)
    assert losses == sorted(losses)
    assert all(trial.low > 1 for trial in front.best)
    assert not hourglass.is_applied(model)


@pytest.mark.usefixtures("_one_round")
def test_a_target_is_met_and_saves_trials(model, images) -> None:
    clock = Clock(model.blocks)
    whole = hourglass.tune(model, images, clock=clock, budget=1e9)
    aimed = hourglass.tune(model, images, clock=clock, budget=1e9, speedup=1.5)
    assert len(aimed.trials) < len(whole.trials)
    assert aimed.choose(speedup=1.5).plan == whole.choose(speedup=1.5).plan
    loss = whole.choose(speedup=1.5).loss
    gentle = hourglass.tune(model, images, clock=clock, budget=1e9, max_loss=loss)
    assert gentle.choose(max_loss=loss).speedup == whole.choose(max_loss=loss).speedup


def test_no_plan_is_returned_that_is_slower_than_the_model(model, images) -> None:
    ticks = iter(range(10**9))
    front = hourglass.tune(model, images, clock=lambda: next(ticks), budget=1e9)  # every duration is the same
    assert front.best == ()
    with pytest.raises(ValueError, match=r"max_loss: no plan .* no plan is certainly faster than the model"):
        front.choose(max_loss=1.0)
    with pytest.raises(ValueError, match=r"speedup: no plan reaches 1\.5x; the fastest found has 1\.00x"):
        front.choose(speedup=1.5)


def test_a_score_takes_the_place_of_the_distortion(model, images) -> None:
    def score(current: nn.Module) -> float:
        return 0.5 if hourglass.is_applied(current) else 0.8

    front = hourglass.tune(model, images, score=score, clock=Clock(model.blocks), budget=0.0)
    assert len(front.trials) == 1
    assert front.trials[0].loss == pytest.approx(0.375)
    assert front.trials[0].error is None


def test_it_goes_on_where_it_stopped(model, images, tmp_path) -> None:
    clock, state = Clock(model.blocks), tmp_path / "trials.json"
    first = hourglass.tune(model, images, clock=clock, budget=0.0, state=state)
    assert len(first.trials) == 1
    whole = hourglass.tune(model, images, clock=clock, budget=1e9, state=state)
    assert first.trials[0].plan in [trial.plan for trial in whole.trials]
    calls = []
    handle = model.register_forward_hook(lambda *_: calls.append(1))
    again = hourglass.tune(model, images, clock=clock, budget=1e9, state=state)
    handle.remove()
    assert again.trials == whole.trials
    assert len(calls) == len(images) + 1  # what the model does untouched, and its grid
    others = hourglass.tune(model, [image + 1 for image in images], clock=clock, budget=0.0, state=state)
    assert others.trials[0].loss != first.trials[0].loss
    state.write_text("{}")
    with pytest.raises(ValueError, match=r"trials\.json: holds no trials"):
        hourglass.tune(model, images, clock=clock, state=state)


@pytest.mark.usefixtures("_one_round")
def test_progress_is_told(model, images) -> None:
    told = []
    front = hourglass.tune(
        model, images, clock=Clock(model.blocks), budget=1e9, progress=lambda *event: told.append(event)
    )
    assert [done for done, _, _ in told] == list(range(1, front.candidates + 1))
    assert "for a loss of" in told[0][2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: model.train(), r"call model\.eval\(\) first"),
        (lambda model: hourglass.apply(model, Plan(2, (4, 4))), r"call hourglass\.remove\(model\) first"),
    ],
)
def test_a_model_in_the_wrong_state_is_refused(model, images, change, message) -> None:
    change(model)
    with pytest.raises(ValueError, match=message):
        hourglass.tune(model, images)


def test_no_images_are_refused(model) -> None:
    with pytest.raises(ValueError, match="images: there are none"):
        hourglass.tune(model, [])


def test_what_is_found_can_be_written_down() -> None:
    trial = Trial(Plan(4, (16, 16), iterations=2), 1.5, 1.4, 1.6, 0.012, 0.001, 7)
    assert trial.yaml == "hourglass: { tuned: { start: 4, clusters: [16, 16], iterations: 2 } }"
    assert trial.python == "hourglass.apply(model, hourglass.Plan(start=4, clusters=(16, 16), iterations=2))"
    published = replace(trial, plan=Plan(4, (16, 16), form="published"))
    assert published.yaml == "hourglass: { tuned: { start: 4, clusters: [16, 16], form: published } }"
    assert str(trial).startswith("1.50x [1.40, 1.60] for a loss of 1.20% ± 0.20%")


def test_choose_takes_one_target() -> None:
    with pytest.raises(ValueError, match="either speedup or max_loss"):
        Front([], 0).choose()


def test_distortion_is_the_share_of_variance_that_is_lost() -> None:
    reference = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert distortion({"map": reference}, {"map": reference}) == 0
    assert distortion([reference.flip(0)], [reference]) == pytest.approx(4.0)
    assert distortion(reference.mean().expand(4), reference) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="give `score`"):
        distortion(torch.zeros(3), torch.zeros(4))


@given(st.lists(st.floats(0.5, 2.0), min_size=1, max_size=60))
def test_the_interval_holds_the_median_and_lies_within_the_samples(ratios: list[float]) -> None:
    low, high = interval(ratios)
    ordered = sorted(ratios)
    assert ordered[0] <= low <= ordered[len(ordered) // 2]
    assert ordered[(len(ordered) - 1) // 2] <= high <= ordered[-1]


def test_the_interval_misses_the_median_as_rarely_as_it_says() -> None:
    generator = torch.Generator().manual_seed(0)
    samples = torch.randn(2000, 15, generator=generator)
    missed = sum(not (low <= 0 <= high) for low, high in map(interval, samples.tolist()))
    assert missed / 2000 < 0.05
