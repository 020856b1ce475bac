from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import pytest

from hourglass.bench.measuring.statistics import paired_ratio
from hourglass.bench.results.records import Comparable, Record, comparable
from hourglass.bench.results.verdict import Interval, Results, Verdict, findings, judge, passed, ratio, within
from hourglass.bench.suites.suite import Measurement, Suite

MILD = "semantic-segmentation.segmenter-scenes.scenes.hourglass.mild"
BASELINE = "semantic-segmentation.segmenter-scenes.scenes.baseline.full"


@pytest.fixture
def now(records: list[Record]) -> dict[str, dict[Measurement, Comparable]]:
    return comparable(records)


@pytest.fixture
def judged(suite: Suite, now: Results) -> Callable[[Results | None], dict[tuple[str, str], Verdict]]:
    def judge_against(accepted: Results | None) -> dict[tuple[str, str], Verdict]:
        verdicts = judge(suite, now, accepted, suite.metrics())
        return {(verdict.case, f"{verdict.measurement} {verdict.quantity}".strip()): verdict for verdict in verdicts}

    return judge_against


def change(results: Results, case: str, measurement: Measurement, **values: float) -> Any:
    changed: Any = deepcopy(results)
    old = changed[case][measurement]
    changed[case][measurement] = old.model_copy(update={"values": {**old.values, **values}})
    return changed


def condition(results: Results, case: str, measurement: Measurement, **conditions: object) -> Any:
    changed: Any = deepcopy(results)
    old = changed[case][measurement]
    changed[case][measurement] = old.model_copy(update={"conditions": {**old.conditions, **conditions}})
    return changed


def test_equal_results_pass(judged: Any, now: Results) -> None:
    verdicts = judged(now)
    assert {verdict.status for verdict in verdicts.values()} == {"pass"}
    assert passed(list(verdicts.values()))


@pytest.mark.parametrize(
    ("measurement", "quantity", "factor", "status", "fails"),
    [
        ("accuracy", "miou", 1.01, "regressed", True),
        ("accuracy", "miou", 0.99, "improved", False),
        ("accuracy", "miou", 1.002, "pass", False),
        ("cost", "gmacs_executed", 1 - 1e-9, "regressed", True),
        ("cost", "gmacs_executed", 1 + 1e-9, "improved", False),
    ],
)
def test_deterministic_quantities(
    judged: Any, now: Results, measurement: Measurement, quantity: str, factor: float, status: str, fails: bool
) -> None:
    value = now[MILD][measurement].values[quantity]
    assert value is not None
    verdict = judged(change(now, MILD, measurement, **{quantity: value * factor}))[MILD, f"{measurement} {quantity}"]
    assert (verdict.status, verdict.fails) == (status, fails)
    assert verdict.detail or status == "pass"


def test_less_is_better_where_the_metric_says_so() -> None:
    assert within(1.2, 1.0, 0.1, higher_is_better=False) == "regressed"
    assert within(0.8, 1.0, 0.1, higher_is_better=False) == "improved"


def test_a_baseline_below_its_floor_fails_even_if_it_was_accepted(suite: Suite, now: Results) -> None:
    low = change(now, BASELINE, "accuracy", miou=0.69)
    verdicts = [v for v in judge(suite, low, low, suite.metrics()) if v.status != "pass"]
    assert [(v.measurement, v.status, v.fails) for v in verdicts] == [("floor", "regressed", True)]
    assert "0.69 is below its floor 0.7" in verdicts[0].detail


def test_what_was_not_measured_fails(suite: Suite, now: Results) -> None:
    without = {case: dict(found) for case, found in now.items()}
    del without[MILD]["cost"]
    verdicts = [v for v in judge(suite, without, now, suite.metrics()) if v.status != "pass"]
    assert [(v.case, v.measurement, v.status, v.fails) for v in verdicts] == [(MILD, "cost", "missing", True)]


def test_nothing_accepted_is_said_and_fails(judged: Any) -> None:
    verdicts = list(judged(None).values())
    assert not passed(verdicts)
    assert any('make accept REASON="..."' in detail for _, detail, _ in findings(verdicts))


def test_an_accepted_case_that_left_the_suite_fails(suite: Suite, now: Results) -> None:
    verdicts = judge(suite, now, {**now, "gone": now[MILD]}, suite.metrics())
    assert [(v.case, v.status) for v in verdicts if v.fails] == [("gone", "missing")]


@pytest.mark.parametrize(
    ("measurement", "name", "fails"),
    [
        ("accuracy", "weights", True),
        ("accuracy", "data", True),
        ("accuracy", "protocol", True),
        ("accuracy", "precision", True),
        ("cost", "settings", True),
        ("accuracy", "device", False),
        ("accuracy", "attention", False),
        ("speed", "machine", False),
        ("speed", "threads", False),
    ],
)
def test_only_what_the_project_decides_fails_by_being_incomparable(
    judged: Any, now: Results, measurement: Measurement, name: str, fails: bool
) -> None:
    verdict = judged(condition(now, MILD, measurement, **{name: "other"}))[MILD, measurement]
    assert (verdict.status, verdict.fails) == ("not comparable", fails)
    assert name in verdict.detail
    assert "other accepted" in verdict.detail


def test_another_machine_leaves_accuracy_and_cost_judged(judged: Any, now: Results) -> None:
    other = now
    for case in (case for case, found in now.items() if "speed" in found):
        other = condition(other, case, "speed", machine="other")
    verdicts = judged(other)
    assert {v.status for v in verdicts.values() if v.measurement == "speed"} == {"not comparable"}
    assert {v.status for v in verdicts.values() if v.measurement != "speed"} == {"pass"}
    assert passed(list(verdicts.values()))


def test_a_machine_that_is_not_quiet_says_nothing_of_speed(suite: Suite, now: Results) -> None:
    noisy = change(change(now, MILD, "speed", control=1.2), MILD, "speed", speedup=0.5, speedup_high=0.6)
    verdicts = [v for v in judge(suite, noisy, now, suite.metrics()) if v.status != "pass"]
    assert [(v.status, v.fails) for v in verdicts] == [("inconclusive", False)]
    assert "not quiet" in verdicts[0].detail


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ((1.95, 2.0, 2.05), "pass"),
        ((1.75, 1.8, 1.85), "pass"),  # significant, but not large enough to matter
        ((1.3, 1.6, 1.96), "inconclusive"),  # large, but not significant
        ((1.55, 1.6, 1.65), "regressed"),
        ((2.35, 2.4, 2.45), "improved"),
        ((1.4, 2.0, 2.6), "inconclusive"),  # too wide to tell
    ],
)
def test_speed_changes_only_if_interval_and_size_both_say_so(value: Interval, status: str) -> None:
    assert ratio(value, (1.95, 2.0, 2.05), 0.15) == status


def timed(generator: random.Random, speedup: float, noise: float, rounds: int = 15) -> Interval:
    """A speed-up as it is measured: rounds of baseline and method that share the drift of the machine."""
    drift = [1 + 0.2 * generator.random() for _ in range(rounds)]
    baseline = [slow * generator.lognormvariate(0, noise) for slow in drift]
    method = [slow * generator.lognormvariate(0, noise) / speedup for slow in drift]
    interval = paired_ratio(baseline, method)
    return interval.low, interval.value, interval.high


@pytest.mark.parametrize("noise", [0.01, 0.03, 0.08])
def test_false_alarms_are_rare(noise: float) -> None:
    generator = random.Random(0)
    trials = 1000
    statuses = [ratio(timed(generator, 1.5, noise), timed(generator, 1.5, noise), 0.15) for _ in range(trials)]
    assert statuses.count("regressed") + statuses.count("improved") <= trials // 100


@pytest.mark.parametrize(("noise", "least"), [(0.01, 0.99), (0.03, 0.95)])
def test_a_slowdown_by_a_quarter_is_found(noise: float, least: float) -> None:
    generator = random.Random(0)
    trials = 1000
    statuses = [ratio(timed(generator, 1.5 * 0.75, noise), timed(generator, 1.5, noise), 0.15) for _ in range(trials)]
    assert statuses.count("regressed") >= least * trials


def test_findings_share_a_reason() -> None:
    said: Mapping[str, Any] = {"status": "missing", "value": None, "reference": None, "detail": "why", "fails": True}
    verdicts = [Verdict(case=case, measurement="cost", quantity="", **said) for case in "ab"]
    assert findings(verdicts) == [("missing", "why", ["a: cost", "b: cost"])]
