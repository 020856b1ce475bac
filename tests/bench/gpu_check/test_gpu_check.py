"""The check of a GPU, rehearsed on the CPU; what a GPU would say is made up where the page is tested."""

from __future__ import annotations

import json

import pytest
import torch

import hourglass
from hourglass.bench.gpu_check.checking import Step, check
from hourglass.bench.gpu_check.device import conditions, graphed
from hourglass.bench.gpu_check.marked import marked_tests
from hourglass.bench.gpu_check.speeds import model_speed, operator_speed
from hourglass.bench.gpu_check.steps import all_steps, rehearsal
from hourglass.bench.gpu_check.subjects import subjects, tiny_subjects
from hourglass.bench.measuring import gpu_design
from hourglass.bench.measuring.gpu_design import CARDS, card_named
from hourglass.bench.measuring.rounds import TimingBudget

pytestmark = pytest.mark.filterwarnings("ignore:plan.temperature")
CPU = torch.device("cpu")
HEAD = {"device": "a card", "packages": {"torch": "2"}, "cuda": None, "cudnn": None, "python": "3"}
QUICK = TimingBudget(rounds=2, seconds=0, warm_up=1)


def written(folder):
    return json.loads((folder / "gpu-check.json").read_text()), (folder / "gpu-check.md").read_text()


def test_a_step_that_fails_is_written_down_and_the_next_ones_run(tmp_path, capsys):
    seen = []

    def fails():
        seen.append(written(tmp_path)[0]["steps"][0]["state"])
        raise RuntimeError("CUDA error: too hot\nand more")

    steps = [
        Step("tests", "first", 0, lambda: {"counts": {"passed": 3}, "failures": [], "agrees": True}),
        Step("speed", "second", 0, fails),
        Step("tests", "third", 0, lambda: {"counts": {"passed": 4}, "failures": []}),
        Step("speed", "fourth", 1e9, fails),
    ]
    assert not check(steps, tmp_path, seconds=1e6, head=HEAD)
    found, page = written(tmp_path)
    assert seen == ["done"]  # what is known was written before the next step began
    assert [step["state"] for step in found["steps"]] == ["done", "failed", "done", "left out"]
    assert found["steps"][1]["reason"] == "CUDA error: too hot"
    assert "fails" in found["steps"][1]["traceback"]
    assert "3 passed" in page
    assert "4 passed" in page
    assert "second: failed CUDA error: too hot" in page
    assert "fourth: left out it takes 1000000000 s" in page
    assert capsys.readouterr().out.count("\n") == 4


@pytest.mark.parametrize("agrees", [True, False])
def test_what_disagrees_is_no_success(agrees, tmp_path):
    row = {"case": "one", "metric": "miou", "cpu": 0.5, "float32": 0.5, "bfloat16": 0.51, "agrees": agrees}
    tolerances = {"float32": 0.002, "bfloat16": 0.02}
    answer = {"rows": [row], "tolerances": tolerances, "images": 2, "agrees": agrees}
    assert check([Step("accuracy", "all", 0, lambda: answer)], tmp_path, seconds=1e6, head=HEAD) is agrees
    assert f"| one | miou | 0.5000 | 0.5000 | 0.5100 | {'yes' if agrees else 'NO'} |" in written(tmp_path)[1]


@pytest.mark.parametrize("subject", tiny_subjects(), ids=lambda subject: subject.name)
def test_models_and_operators_are_timed(subject, tmp_path, monkeypatch):
    monkeypatch.setattr("hourglass.bench.gpu_check.speeds.card_of", lambda device: CARDS[0])
    steps = [
        Step("speed", subject.name, 0, lambda: model_speed(subject, CPU, QUICK, None)),
        Step("operators", subject.name, 0, lambda: operator_speed(subject.design, CPU, QUICK)),
    ]
    assert check(steps, tmp_path, seconds=1e6, head=conditions(CPU))
    found, page = written(tmp_path)
    eager, operators = found["steps"]
    assert set(eager["speedup"]) == {"published", "residual", "control"}
    assert set(eager["peak_mib"]) == {"baseline", "published", "residual"}
    assert set(eager["estimated_saved_ms"]) == {"published", "residual"}
    assert set(operators["estimated_ms"]) == {"published", "residual", "published, graph", "residual, graph"}
    assert "published, graph" in operators["speedup"]
    assert page.count(f"| {subject.name} |") == 6


@pytest.mark.slow
def test_the_rehearsal_of_every_kind_of_step(tmp_path):
    check(rehearsal(CPU, tmp_path / "data"), tmp_path, seconds=1e6, head=conditions(CPU))
    found, page = written(tmp_path)
    assert [step["state"] for step in found["steps"]] == ["done"] * 6
    assert {step["kind"] for step in found["steps"]} == {"speed", "operators", "accuracy"}
    assert all(f"## {title}" in page for title in ("Speed", "Operators", "Accuracy"))


def test_the_plans_fit_the_models_at_full_size():
    """On the meta device, where a pass costs nothing."""
    for subject in subjects():
        for plan in subject.plans.values():
            with torch.device("meta"), torch.no_grad():
                model = hourglass.apply(subject.build().eval(), plan)
                model(torch.empty(1, 3, *subject.size))
            (here,) = hourglass.summary(model)
            assert here.until - here.start == sum(blocks for blocks, _ in subject.design.attended)


def test_steps_come_in_order_of_their_worth(tmp_path):
    steps = all_steps(CPU, tmp_path)
    assert steps[0].name == "Segmenter ViT-L/16, 640 x 640, eager"
    assert sum(step.kind == "speed" for step in steps) == 2 * len(subjects())
    # All but the last steps, which are compiled models, are reached in eight minutes.
    reached = [step for step in steps if not step.name.endswith("compiled")]
    assert sum(step.seconds for step in reached) <= 480


def test_tests_that_are_marked_are_found_and_run(tmp_path):
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_one.py").write_text(
        "import pytest\n"
        "@pytest.mark.gpu\ndef test_a(): pass\n"
        "@pytest.mark.gpu\ndef test_b(): assert 0\n"
        "def test_c(): 1/0\n"
    )
    (folder / "test_two.py").write_text("def test_d(): 1/0\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    gpu: needs a device\n")
    found = marked_tests(folder)
    assert found["counts"] == {"passed": 1, "failed": 1}
    assert not found["agrees"]
    assert "test_b" in found["failures"][0]
    (folder / "test_one.py").unlink()
    with pytest.raises(FileNotFoundError, match="run from a clone"):
        marked_tests(folder)


def test_cards_are_known_by_what_drivers_call_them():
    assert card_named("NVIDIA A100-SXM4-80GB") is CARDS[0]
    assert card_named("NVIDIA H100 80GB HBM3") is CARDS[1]
    assert card_named("NVIDIA H200").bandwidth == 4.8e12
    assert card_named("NVIDIA GeForce GT 710") is None


def test_on_the_cpu_a_graph_is_the_run_itself():
    assert graphed(gpu_design.table, CPU) is gpu_design.table
