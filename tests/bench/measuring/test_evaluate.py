"""A model that you have is measured by one call, to the same digits as the workflow measures a case."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import nn

import hourglass
from hourglass.bench import datasets, evaluate, models
from hourglass.bench.datasets import Category, Sample
from hourglass.bench.measuring import all_quantities, cases, measure_speed
from hourglass.bench.measuring.rounds import TimingBudget
from hourglass.bench.models.segmenter import Segmenter
from hourglass.bench.suites.case import Case
from hourglass.bench.suites.suite import Timing
from hourglass.registry import UserError

TASK = "semantic-segmentation"
PLANS = {"hourglass": {"mild": hourglass.Plan(2, (4, 4)), "strong": {"start": 1, "clusters": [2, 2]}}}


class Noise:
    name, split, fingerprint = "noise", "val", "f" * 64
    categories = tuple(Category(i, str(i), False, (0, 0, 0)) for i in range(3))

    def __len__(self):
        return 4

    def __getitem__(self, index):
        random = torch.Generator().manual_seed(index)
        image = torch.randint(256, (3, 64, 64), generator=random, dtype=torch.uint8)
        return Sample(index, image, torch.randint(3, (64, 64), generator=random), str(index))


class NoiseSource(datasets.Source):
    categories, version, tasks, splits, evaluation_split = Noise.categories, "1", (TASK,), ("val",), "val"

    def fill(self, folder, split):
        (folder / "nothing").touch()

    def verify(self, folder, split):
        return "f" * 64

    def open(self, folder, task, split):
        return Noise()


def segmenter() -> nn.Module:
    torch.manual_seed(0)
    vit = VisionTransformer(
        img_size=64, patch_size=8, embed_dim=24, depth=3, num_heads=2, num_classes=0, global_pool="",
        dynamic_img_size=True,
    )  # fmt: skip
    return Segmenter(vit, nn.Linear(24, 3)).eval()


def test_a_row_for_the_baseline_and_for_each_plan(monkeypatch):
    brief = TimingBudget(rounds=2, seconds=0, warm_up=1)
    measure = partial(measure_speed, latency=brief, throughput=brief)
    monkeypatch.setattr("hourglass.bench.measuring.evaluate.measure_speed", measure)
    model = segmenter()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    rows = evaluate(model, Noise(), TASK, PLANS, batch=2)
    assert [(row["method"], row["plan"]) for row in rows] == [
        ("baseline", "full"), ("hourglass", "mild"), ("hourglass", "strong"),
    ]  # fmt: skip
    assert rows[1]["settings"]["clusters"] == [4, 4]
    known = {name for quantity in all_quantities() for name in (quantity, f"{quantity}_low", f"{quantity}_high")}
    assert rows[2].keys() - {"method", "plan", "settings"} <= known
    assert {"miou", "gmacs_executed"} <= rows[0].keys()
    assert "speedup" not in rows[0]
    assert rows[2]["speedup_low"] <= rows[2]["speedup"] <= rows[2]["speedup_high"]
    assert not hourglass.is_applied(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_digits_are_those_of_a_case(tmp_path):
    card = models.ModelCard(name="mine", tasks=(TASK,), dataset="noise", image_size=(64, 64), builder=segmenter)
    with models.MODELS.replaced("mine", card), datasets.DATASETS.replaced("noise", NoiseSource()):
        datasets.prepare("noise", root=tmp_path)
        by_name = evaluate(
            "mine", "noise", TASK, PLANS, images=3, batch=2, measurements=("accuracy", "cost"), data=tmp_path
        )
        at_hand = evaluate(segmenter(), Noise(), TASK, PLANS, images=3, batch=2, measurements=("accuracy", "cost"))
        assert by_name == at_hand
        for row in by_name:
            case = Case(
                suite="s", suite_version=1, task=TASK, model="mine", dataset="noise", method=row["method"],
                plan=row["plan"], settings=row["settings"], images=3, batch=2, precision="float32", seed=0,
            )  # fmt: skip
            measured = cases.accuracy(case, tmp_path)["values"] | cases.cost(case, tmp_path)["values"]
            assert {name: row[name] for name in measured} == measured


class Layout(nn.Module):
    """Scores of a convolution; notes whether what it sees and its weights are in the order of channels last."""

    def __init__(self, seen):
        super().__init__()
        self.classify, self.seen = nn.Conv2d(3, 3, 3, padding=1), seen

    def forward(self, images):
        for tensor in (images, self.classify.weight):
            self.seen.add(tensor.is_contiguous(memory_format=torch.channels_last) and not tensor.is_contiguous())
        return self.classify(images)

    def __deepcopy__(self, memo):
        copy = Layout(self.seen)
        copy.load_state_dict(self.state_dict())
        return copy


def test_images_and_weights_lie_in_memory_as_is_asked_for():
    torch.manual_seed(0)
    model = Layout(set())
    usual = evaluate(model, Noise(), TASK, measurements=["accuracy"])
    assert model.seen == {False}
    model.seen.clear()
    last = evaluate(model, Noise(), TASK, memory_format="channels_last", measurements=["accuracy"])
    assert model.seen == {True}
    assert last[0]["miou"] == pytest.approx(usual[0]["miou"], abs=1e-3)
    assert model.classify.weight.is_contiguous(), "copies are measured"


def test_a_case_runs_as_its_suite_says(tmp_path):
    seen = set()
    card = models.ModelCard(
        name="mine", tasks=(TASK,), dataset="noise", image_size=(64, 64), builder=lambda: Layout(seen)
    )
    with models.MODELS.replaced("mine", card), datasets.DATASETS.replaced("noise", NoiseSource()):
        datasets.prepare("noise", root=tmp_path)
        case = Case(
            suite="s", suite_version=1, task=TASK, model="mine", dataset="noise", method="resolution", plan="half",
            settings={"scale": 0.5}, images=1, batch=2, precision="bfloat16", seed=0, memory_format="channels_last",
        )  # fmt: skip
        cases.accuracy(case, tmp_path)
        assert seen == {True}
        assert (
            cases.speed([case], tmp_path, timing=Timing(latency=0, throughput=0, rounds=2))[case.id]["values"][
                "speedup"
            ]
            > 0
        )
        assert seen == {True}


def test_a_model_that_cannot_be_laid_out_so_is_one_line():
    model = nn.ParameterList([torch.zeros(1, 1, 1, 1, 1)])
    with pytest.raises(UserError, match=r"memory_format: the model cannot be 'channels_last': .*rank 4"):
        evaluate(model, Noise(), TASK, memory_format="channels_last", measurements=())


def test_cases_that_compute_the_same_for_two_tasks_are_timed_once(tmp_path):
    both = (TASK, "panoptic-segmentation")
    source = NoiseSource()
    source.tasks = both
    card = models.ModelCard(name="mine", tasks=both, dataset="noise", image_size=(64, 64), builder=segmenter)
    with models.MODELS.replaced("mine", card), datasets.DATASETS.replaced("noise", source):
        datasets.prepare("noise", root=tmp_path)
        asked = [
            Case(
                suite="s", suite_version=1, task=task, model="mine", dataset="noise", method="resolution", plan=plan,
                settings={"scale": scale}, images=None, batch=2, precision="float32", seed=0,
            )
            for task, plan, scale in ((TASK, "one", 0.5), (both[1], "same", 0.5), (both[1], "other", 0.75))
        ]  # fmt: skip
        found = cases.speed(asked, tmp_path, timing=Timing(latency=0, throughput=0, rounds=3))
        one, same, other = (found[case.id] for case in asked)
        assert one["samples"] == same["samples"]
        assert {len(one["samples"][kind]["method"]) for kind in ("latency_s", "throughput_s")} == {3}
        assert one["samples"]["timed_together"] == [asked[0].id, asked[2].id]
        assert one["samples"]["latency_s"]["method"] != other["samples"]["latency_s"]["method"]
        with pytest.raises(ValueError, match="must share their baseline"):
            cases.speed([asked[0], asked[1].model_copy(update={"batch": 1})], tmp_path)


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ({"hourglas": {"mild": {}}}, "unknown method 'hourglas'; did you mean 'hourglass'"),
        ({"hourglass": {"mild": {"strat": 1}}}, "method 'hourglass': unknown setting 'strat'; did you mean 'start'"),
        ({"hourglass": {"mild": hourglass.Plan(9, (4, 4))}}, "method 'hourglass': "),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_measured(methods, message):
    model = segmenter()
    model.register_forward_hook(lambda *_: pytest.fail("was run"))
    with pytest.raises(UserError, match=message):
        evaluate(model, Noise(), TASK, methods)


def test_a_model_of_another_task(tmp_path):
    with pytest.raises(UserError, match="model: 'dpt-scenes' cannot do semantic-segmentation; it does depth-estim"):
        evaluate("dpt-scenes", Noise(), TASK)


def test_a_model_takes_only_part_of_an_image():
    rows = partial(evaluate, segmenter(), Noise(), TASK, measurements=("accuracy",))
    left = rows(inference=lambda model, images: model(images.flip(-1)))
    assert left[0]["miou"] != rows()[0]["miou"]
