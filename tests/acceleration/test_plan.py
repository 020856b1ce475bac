import dataclasses
import pickle

import pytest

from hourglass import Plan
from hourglass.methods.clustering import HOURGLASS


def test_defaults_of_the_residual_form_have_no_unit():
    plan = Plan(start=10, clusters=(28, 28))
    assert (plan.form, plan.iterations, plan.window, plan.temperature, plan.sharpness) == ("residual", 5, 5, None, 10.0)
    assert (plan.neighbors, plan.reconstruct, plan.semantics) == (4, "encoder", "official")


def test_defaults_of_the_published_form_are_those_of_the_paper():
    plan = Plan(start=10, clusters=(28, 28), form="published")
    assert (plan.iterations, plan.window, plan.temperature, plan.neighbors) == (5, 5, 0.02, 20)
    assert (plan.reconstruct, plan.semantics) == ("encoder", "official")


def test_what_is_recorded_is_resolved():
    assert dataclasses.asdict(Plan(1, (2, 2), form="published"))["temperature"] == 0.02
    assert dataclasses.asdict(Plan(1, (2, 2)))["neighbors"] == 4
    assert Plan(1, (2, 2)) == Plan(1, (2, 2), neighbors=4, sharpness=10.0)
    assert Plan(1, (2, 2), temperature=0.5, neighbors=1).temperature == 0.5


def test_a_plan_is_a_value():
    plan = Plan(start=2, clusters=[4, 6])
    assert plan == Plan(2, (4, 6)) == pickle.loads(pickle.dumps(plan))
    assert plan.clusters == (4, 6)
    assert hash(plan) == hash(Plan(2, (4, 6)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.start = 3


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("start", -1, "plan.start must be at least 0, got -1"),
        ("start", 1.0, "plan.start must be an integer, got 1.0"),
        ("start", True, "plan.start must be an integer, got True"),
        ("clusters", (0, 3), "plan.clusters must be at least 1, got 0"),
        ("clusters", 28, r"plan.clusters must be a pair \(rows, columns\), got 28"),
        ("clusters", (1, 2, 3), r"plan.clusters must be a pair \(rows, columns\), got \(1, 2, 3\)"),
        ("clusters", ("4", 4), "plan.clusters must be an integer, got '4'"),
        ("iterations", 0, "plan.iterations must be at least 1, got 0"),
        ("iterations", 10**9, "plan.iterations must be at most 1000, got 1000000000"),
        ("start", 10**30, f"plan.start must be at most 1000000, got {10**30}"),
        ("clusters", (4, 10**9), "plan.clusters must be at most 1000000, got 1000000000"),
        ("neighbors", 10**9, "plan.neighbors must be at most 1000000, got 1000000000"),
        ("window", 10**9 + 1, "plan.window must be at most 1000000, got 1000000001"),
        ("window", 4, "plan.window must be odd, so that it has a middle cell, got 4"),
        ("temperature", 0.0, "plan.temperature must be above 0 and finite, got 0.0"),
        ("temperature", float("nan"), "plan.temperature must be above 0 and finite, got nan"),
        ("temperature", "0.02", "plan.temperature must be a number, got '0.02'"),
        ("neighbors", 0, "plan.neighbors must be at least 1, got 0"),
        ("reconstruct", "head", "plan.reconstruct must be one of 'encoder', 'decoder', got 'head'"),
        (
            "reconstruct",
            "decoder",
            "plan.reconstruct is 'decoder', but class scores have no residual to add to: use .*",
        ),
        ("form", "paper", "plan.form must be one of 'residual', 'published', got 'paper'"),
        ("proportional_attention", 1, "plan.proportional_attention must be true or false, got 1"),
        ("interpolation", "cubic", "plan.interpolation must be one of 'kernel', 'linear', got 'cubic'"),
        ("sharpness", 0, "plan.sharpness must be above 0 and finite, got 0"),
        ("semantics", "Paper", "plan.semantics must be one of 'official', 'paper', got 'Paper'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(field, value, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Plan(**{"start": 2, "clusters": (4, 4), field: value})


def test_the_published_form_attends_as_its_authors_do():
    with pytest.raises(ValueError, match=r"^plan.proportional_attention is true, .*: use form='residual'$"):
        Plan(2, (4, 4), form="published", proportional_attention=True)


def test_linear_interpolation_needs_neighbors_and_the_residual_form():
    with pytest.raises(ValueError, match=r"^plan.interpolation is 'linear', .*: use form='residual'$"):
        Plan(2, (4, 4), form="published", interpolation="linear")
    with pytest.raises(ValueError, match=r"^plan.neighbors must be at least 2, got 1$"):
        Plan(2, (4, 4), neighbors=1, interpolation="linear")
    assert (Plan(2, (4, 4)).neighbors, Plan(2, (4, 4), interpolation="linear").neighbors) == (4, 8)


def test_settings_of_results_from_before_stay_what_they_are():
    settings = {"start": 2, "clusters": [4, 4]}
    assert "proportional_attention" not in HOURGLASS.resolve(settings)
    assert "interpolation" not in HOURGLASS.resolve(settings)
    chosen = {"proportional_attention": True, "interpolation": "linear"}
    assert chosen.items() <= HOURGLASS.resolve({**settings, **chosen}).items()
