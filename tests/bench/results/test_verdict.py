from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import pytest

from hourglass.bench.results.judging import Results, judge, within
from hourglass.bench.results.records import Comparable, Record, comparable
from hourglass.bench.results.speed_change import Estimate
from hourglass.bench.results.verdict import Verdict, findings, passed
from hourglass.bench.suites.case import Measurement
from hourglass.bench.suites.suite import Suite

MILD = "semantic-segmentation.segmenter-scenes.scenes.hourglass.mild"
BASELINE = "semantic-segmentation.segmenter-scenes.scenes.baseline.full"

Judged = Callable[..., dict[tuple[str, str], Verdict]]


@pytest.fixture
def now(records: list[Record]) -> dict[str, dict[Measurement, Comparable]]:
    return comparable(records)


@pytest.fixture
def judged(suite: Suite, now: Results) -> Judged:
    def judge_against(accepted: Results | None, measured: Results = now) -> dict[tuple[str, str], Verdict]:
        verdicts = judge(suite, measured, accepted, suite.all_metrics())
        return {(verdict.case, f"{verdict.measurement} {verdict.quantity}".strip()): verdict for verdict in verdicts}

    return judge_against


def change(results: Results, case: str, measurement: Measurement, **values: Any) -> Any:
    """The results with other values; None takes one away."""
    changed: Any = deepcopy(results)
    old = changed[case][measurement]
    kept = {name: value for name, value in {**old.values, **values}.items() if value is not None or name not in values}
    changed[case][measurement] = old.model_copy(update={"values": kept})
    return changed


def condition(results: Results, case: str, measurement: Measurement, **conditions: object) -> Any:
    changed: Any = deepcopy(results)
    old = changed[case][measurement]
    changed[case][measurement] = old.model_copy(update={"conditions": {**old.conditions, **conditions}})
    return changed


def ratio(name: str, value: float, width: float = 0.01) -> dict[str, float]:
    return {f"{name}_low": value * (1 - width), name: value, f"{name}_high": value * (1 + width)}


def bad(verdicts: Mapping[Any, Verdict]) -> list[tuple[str, str, str, bool]]:
    return [(v.case, f"{v.measurement} {v.quantity}".strip(), v.status, v.fails)
            for v in verdicts.values() if v.status != "pass"]  # fmt: skip


def test_equal_results_pass(judged: Judged, now: Results) -> None:
    verdicts = judged(now)
    assert {verdict.status for verdict in verdicts.values()} == {"pass"}
    assert passed(list(verdicts.values()))
    assert findings(verdicts.values()) == []


@pytest.mark.parametrize(
    ("measurement", "quantity", "factor", "status", "fails"),
    [
        ("accuracy", "miou", 1.01, "regressed", True),
        ("accuracy", "miou", 0.99, "improved", False),
        ("accuracy", "miou", 1.002, "pass", False),
        ("accuracy", "pixel_accuracy", 1.02, "regressed", True),
        ("accuracy", "pixel_accuracy", 1.01, "pass", False),
        ("cost", "gmacs_executed", 1 - 1e-9, "regressed", True),
        ("cost", "gmacs_executed", 1 + 1e-9, "improved", False),
        ("cost", "gflops_published", 1 - 1e-9, "regressed", True),
    ],
)
def test_deterministic_quantities(
    judged: Judged, now: Results, measurement: Measurement, quantity: str, factor: float, status: str, fails: bool
) -> None:
    value = now[MILD][measurement].values[quantity]
    assert value is not None
    verdict = judged(change(now, MILD, measurement, **{quantity: value * factor}))[MILD, f"{measurement} {quantity}"]
    assert (verdict.status, verdict.fails) == (status, fails)
    assert verdict.detail or status == "pass"


def test_less_is_better_where_the_metric_says_so() -> None:
    assert within(1.2, 1.0, 0.1, higher_is_better=False) == "regressed"
    assert within(0.8, 1.0, 0.1, higher_is_better=False) == "improved"


def test_a_whole_tolerance_passes_however_it_is_rounded() -> None:
    assert 0.745625 - 0.747625 < -0.002
    assert within(0.745625, 0.747625, 0.002, higher_is_better=True) == "pass"
    assert within(0.745625, 0.747626, 0.002, higher_is_better=True) == "regressed"


def test_a_baseline_below_its_floor_fails_even_if_it_was_accepted(judged: Judged, now: Results) -> None:
    low = change(now, BASELINE, "accuracy", miou=0.69)
    verdicts = judged(low, low)
    assert bad(verdicts) == [(BASELINE, "floor miou", "regressed", True)]
    assert "0.69 is below its floor 0.7" in verdicts[BASELINE, "floor miou"].detail


def test_what_was_not_measured_fails(judged: Judged, now: Results) -> None:
    without = {case: dict(found) for case, found in now.items()}
    del without[MILD]["cost"]
    assert bad(judged(now, without)) == [(MILD, "cost", "missing", True)]


def test_nothing_accepted_is_said_and_fails(judged: Judged) -> None:
    verdicts = list(judged(None).values())
    assert not passed(verdicts)
    assert any('make accept REASON="..."' in detail for _, detail, _ in findings(verdicts))


def test_an_accepted_case_that_left_the_suite_fails(judged: Judged, now: Results) -> None:
    assert bad(judged({**now, "gone": now[MILD]})) == [("gone", "accuracy", "missing", True)]


@pytest.mark.parametrize(
    ("measurement", "removed"),
    [
        ("accuracy", ["miou"]),
        ("accuracy", ["pixel_accuracy"]),
        ("cost", ["parameters"]),
        ("cost", ["gmacs_executed", "gmacs_operators", "gmacs_published", "gflops_published", "parameters"]),
        ("speed", ["speedup"]),
        ("speed", ["speedup_low"]),
        ("speed", ["throughput_speedup"]),
        ("speed", ["baseline_latency_ms"]),
    ],
    ids=str,
)
def test_what_is_removed_from_the_accepted_results_fails(
    judged: Judged, now: Results, measurement: Measurement, removed: list[str]
) -> None:
    verdicts = judged(change(now, MILD, measurement, **dict.fromkeys(removed)))
    assert {status for _, _, status, _ in bad(verdicts)} == {"missing"}
    assert len(bad(verdicts)) == len(removed)
    assert all("accept again" in verdict.detail for verdict in verdicts.values() if verdict.status != "pass")


def test_a_value_that_does_not_apply_any_more_is_said_in_words(judged: Judged, now: Results) -> None:
    without = change(now, MILD, "accuracy")
    without[MILD]["accuracy"].values["miou"] = None
    verdict = judged(now, without)[MILD, "accuracy miou"]
    assert (verdict.status, verdict.fails) == ("missing", True)
    assert "n/a now, 0.747 accepted" in verdict.detail


@pytest.mark.parametrize(
    ("measurement", "quantity", "value"),
    [("accuracy", "miou", 7.5), ("accuracy", "miou", -0.1), ("cost", "gmacs_executed", -1), ("cost", "parameters", -5)],
)
def test_a_value_that_cannot_be_is_a_regression(
    judged: Judged, now: Results, measurement: Measurement, quantity: str, value: float
) -> None:
    for accepted, measured in (
        (now, change(now, MILD, measurement, **{quantity: value})),
        (change(now, MILD, measurement, **{quantity: value}), now),
    ):
        verdict = judged(accepted, measured)[MILD, f"{measurement} {quantity}"]
        assert (verdict.status, verdict.fails) == ("regressed", True)
        assert "which cannot be" in verdict.detail


@pytest.mark.parametrize("values", [ratio("speedup", 0.0), ratio("speedup", -1.0), {"speedup_low": 9.0}])
def test_a_ratio_that_cannot_be_is_missing(judged: Judged, now: Results, values: dict[str, float]) -> None:
    for accepted, measured in (
        (now, change(now, MILD, "speed", **values)),
        (change(now, MILD, "speed", **values), now),
    ):
        verdict = judged(accepted, measured)[MILD, "speed speedup"]
        assert (verdict.status, verdict.fails) == ("missing", True)


def test_a_truth_value_is_no_number() -> None:
    with pytest.raises(ValueError, match="values"):
        Comparable(conditions={}, values={"miou": True})


@pytest.mark.parametrize(
    ("measurement", "name"),
    [
        ("accuracy", "weights"),
        ("accuracy", "data"),
        ("accuracy", "protocol"),
        ("accuracy", "precision"),
        ("accuracy", "memory_format"),
        ("speed", "memory_format"),
        ("cost", "settings"),
        ("speed", "batch"),
    ],
)
def test_what_the_project_decides_makes_results_incomparable_and_fails(
    judged: Judged, now: Results, measurement: Measurement, name: str
) -> None:
    verdict = judged(condition(now, MILD, measurement, **{name: "other"}))[MILD, measurement]
    assert (verdict.status, verdict.fails) == ("not comparable", True)
    assert name in verdict.detail
    assert "other accepted" in verdict.detail


@pytest.mark.parametrize("measurement", ["accuracy", "speed"])
def test_a_lost_kernel_fails_and_the_rest_is_still_judged(
    judged: Judged, now: Results, measurement: Measurement
) -> None:
    explicit = condition(now, MILD, measurement, attention="explicit")
    assert bad(judged(now, explicit)) == [(MILD, f"{measurement} attention", "regressed", True)]
    assert bad(judged(explicit, now)) == [], "a kernel that was won is none"
    worse = change(explicit, MILD, "accuracy", miou=0.0)
    assert (MILD, "accuracy miou", "regressed", True) in bad(judged(now, worse))


def test_another_device_has_other_kernels_and_its_accuracy_is_judged(judged: Judged, now: Results) -> None:
    gpu = condition(now, MILD, "accuracy", device="cuda", attention="flash")
    assert bad(judged(now, gpu)) == []
    worse = judged(now, change(gpu, MILD, "accuracy", miou=0.5))[MILD, "accuracy miou"]
    assert (worse.status, worse.fails) == ("regressed", True)
    assert "measured on cuda, accepted on cpu" in worse.detail


@pytest.mark.parametrize(
    ("factor", "status", "fails"),
    [(0.7, "regressed", True), (0.9, "pass", False), (1.2, "pass", False), (1.5, "improved", False)],
)
def test_the_speed_of_another_machine_has_a_wider_margin_and_is_said(
    judged: Judged, now: Results, factor: float, status: str, fails: bool
) -> None:
    speedup = now[MILD]["speed"].values["speedup"]
    other = condition(change(now, MILD, "speed", **ratio("speedup", speedup * factor)), MILD, "speed", machine="other")
    verdict = judged(now, other)[MILD, "speed speedup"]
    assert (verdict.status, verdict.fails) == (status, fails)
    assert "compared with another machine: cpu, a processor, 2 threads" in verdict.detail
    assert findings([verdict])
    assert "margin" in verdict.detail or status == "pass"


@pytest.mark.parametrize(
    ("values", "status"),
    [
        (ratio("speedup", 0.9), "regressed"),
        (ratio("speedup", 1.1), "improved"),
        (ratio("speedup", 0.97), "pass"),  # less than matters
        (ratio("speedup", 0.9, width=0.1), "pass"),  # less than its noise explains
        (ratio("speedup", 1.0, width=0.3), "inconclusive"),  # a change that matters would not have been seen
        (ratio("speedup", 0.4, width=0.3), "regressed"),  # noise or not
        (ratio("speedup", 0.9) | ratio("control", 1.05), "pass"),  # the control shows as much noise
        (ratio("speedup", 0.9) | ratio("control", 1.05, width=0.06), "regressed"),  # the control shows nothing
    ],
)
def test_a_speed_changes_by_more_than_matters_and_more_than_noise_explains(
    judged: Judged, now: Results, values: dict[str, float], status: str
) -> None:
    accepted = change(now, MILD, "speed", **ratio("speedup", 1.0))
    verdict = judged(accepted, change(now, MILD, "speed", **values))[MILD, "speed speedup"]
    assert (verdict.status, verdict.fails) == (status, status == "regressed")


def test_throughput_is_judged_too(judged: Judged, now: Results) -> None:
    slower = change(now, MILD, "speed", **ratio("throughput_speedup", 1.1))
    verdict = judged(now, slower)[MILD, "speed throughput_speedup"]
    assert (verdict.status, verdict.fails) == ("regressed", True)


def test_a_machine_that_is_not_quiet_excuses_noise_only(judged: Judged, now: Results) -> None:
    unquiet = change(now, MILD, "speed", **ratio("speedup", 1.2), **ratio("control", 1.15))
    verdict = judged(now, unquiet)[MILD, "speed speedup"]
    assert (verdict.status, verdict.fails) == ("inconclusive", False)
    assert "the baseline against itself came out as 1.150" in verdict.detail
    worse = judged(now, change(unquiet, MILD, "speed", **ratio("speedup", 0.13)))[MILD, "speed speedup"]
    assert (worse.status, worse.fails) == ("regressed", True)


@pytest.mark.parametrize(
    ("factor", "status"), [(1.2, "pass"), (1.4, "inconclusive"), (1.6, "regressed"), (0.5, "pass")]
)
def test_a_slow_down_that_baseline_and_plan_share(judged: Judged, now: Results, factor: float, status: str) -> None:
    slower = change(now, MILD, "speed", baseline_latency_ms=200 * factor)
    verdict = judged(now, slower)[MILD, "speed baseline_latency_ms"]
    assert (verdict.status, verdict.fails) == (status, status == "regressed")
    elsewhere = judged(now, condition(slower, MILD, "speed", machine="other"))
    assert (MILD, "speed baseline_latency_ms") not in elsewhere


def test_a_small_change_of_all_cases_is_seen_together(judged: Judged, now: Results) -> None:
    slower: Any = now
    for case in (case for case, found in now.items() if "speed" in found):
        value = now[case]["speed"].values["speedup"]
        assert value is not None
        slower = change(slower, case, "speed", **ratio("speedup", value * 0.955))
    found = bad(judged(now, slower))
    assert found == [("all cases", "speed speedup", "regressed", True)]


def test_a_small_change_is_seen_over_several_nights(suite: Suite, now: Results) -> None:
    accepted = change(now, MILD, "speed", runs=8)
    value = now[MILD]["speed"].values["speedup"]
    assert value is not None
    slower = Estimate(value * 0.925, value * 0.93, value * 0.935)
    for nights, found in ((1, []), (7, [("speedup over nights", True)])):
        verdicts = judge(suite, now, accepted, suite.all_metrics(), {MILD: [slower] * nights})
        assert [(v.quantity, v.fails) for v in verdicts if v.status != "pass"] == found


def test_findings_share_a_reason() -> None:
    said: Mapping[str, Any] = {"status": "missing", "value": None, "reference": None, "detail": "why", "fails": True}
    verdicts = [Verdict(case=case, measurement="cost", quantity="", **said) for case in "ab"]
    assert findings(verdicts) == [("missing", "why", ["a: cost", "b: cost"])]
