"""Did anything regress? Pure functions from measurements and accepted results to verdicts.

Accuracy must lie within a tolerance of what was accepted, cost must be equal to it. Speed is judged as the ratio to the
baseline in the same run, and a change counts only if it is both larger than matters and larger than the noise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hourglass.bench.results.records import Comparable
from hourglass.bench.suites.suite import Case, Criterion, Measurement, SpeedTolerance, Suite
from hourglass.bench.tasks.metric import Metric

Status = Literal["pass", "regressed", "improved", "missing", "inconclusive", "not comparable"]
Interval = tuple[float, float, float]
"""Lower end, estimate, upper end."""
Results = Mapping[str, Mapping[Measurement, Comparable]]
"""By case id and kind of measurement."""

DECIDED_BY_PROJECT = ("settings", "weights", "data", "protocol", "precision", "images", "batch")
DECIDED_BY_MACHINE = ("device", "attention", "machine", "threads")


@dataclass(frozen=True)
class Verdict:
    """What is said of one quantity of one case."""

    case: str
    measurement: str
    quantity: str
    status: Status
    value: float | None
    reference: float | None
    detail: str
    """One sentence without a full stop; empty for a plain pass."""
    fails: bool
    """Whether the whole check fails by it."""


def judge(suite: Suite, measured: Results, accepted: Results | None, metrics: Mapping[str, Metric]) -> list[Verdict]:
    """Verdicts on every case of a suite.

    Args:
        suite: Which cases there should be, with their floors and tolerances.
        measured: What was measured now.
        accepted: What it is compared with; None if nothing has been accepted yet.
        metrics: The metric each experiment is judged by, by its id.
    """
    verdicts = [
        verdict
        for case in suite.cases
        for verdict in _judge_case(suite, case, measured.get(case.id, {}), (accepted or {}).get(case.id), metrics)
    ]
    known = {case.id for case in suite.cases}
    gone = "was accepted, but is no longer in the suite; accept again if that is intended"
    return verdicts + [_missing(case, "accuracy", "", gone) for case in accepted or {} if case not in known]


def passed(verdicts: Sequence[Verdict]) -> bool:
    """Whether none of them fails the check."""
    return not any(verdict.fails for verdict in verdicts)


def findings(verdicts: Iterable[Verdict]) -> list[tuple[Status, str, list[str]]]:
    """Whatever is no plain pass: status, detail, and all the places that share both."""
    places: dict[tuple[Status, str], list[str]] = {}
    for verdict in verdicts:
        if verdict.status != "pass":
            place = f"{verdict.case}: {verdict.measurement} {verdict.quantity}".strip()
            places.setdefault((verdict.status, verdict.detail), []).append(place)
    return [(status, detail, found) for (status, detail), found in places.items()]


def in_numbers(verdicts: Iterable[Verdict]) -> str:
    """How many there are of each status."""
    counts = Counter(verdict.status for verdict in verdicts)
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def where(places: Sequence[str]) -> str:
    """The places that share a finding, in short."""
    return f"{places[0]} and {len(places) - 1} others" if len(places) > 1 else places[0]


def within(value: float, reference: float, tolerance: float, *, higher_is_better: bool) -> Status:
    """A deterministic quantity against its reference; the tolerance is absolute and belongs to `pass`."""
    change = value - reference
    if abs(change) <= tolerance:
        return "pass"
    return "improved" if (change > 0) == higher_is_better else "regressed"


def ratio(value: Interval, reference: Interval, change: float) -> Status:
    """A speed-up against its reference, higher being better.

    Significant (the intervals are apart) and large enough to matter (beyond ``change``, relative) are two conditions,
    and only both together are a change. If an interval is too wide for a change of that size to show, nothing is said.
    """
    relative = value[1] / reference[1] - 1
    apart = value[0] > reference[2] or value[2] < reference[0]
    if abs(relative) > change:
        if not apart:
            return "inconclusive"
        return "improved" if relative > 0 else "regressed"
    too_wide = (value[2] - value[0]) / 2 > change * value[1]
    return "inconclusive" if too_wide else "pass"


def difference_in_conditions(measured: Comparable, accepted: Comparable) -> tuple[str, bool] | None:
    """What makes two measurements incomparable, and whether the project (and not the machine) decides it."""
    for names, by_project in ((DECIDED_BY_PROJECT, True), (DECIDED_BY_MACHINE, False)):
        for name in names:
            now, then = measured.conditions.get(name), accepted.conditions.get(name)
            if now != then:
                return f"{name}: {now} now, {then} accepted", by_project
    return None


def _judge_case(
    suite: Suite,
    case: Case,
    measured: Mapping[Measurement, Comparable],
    accepted: Mapping[Measurement, Comparable] | None,
    metrics: Mapping[str, Metric],
) -> Iterator[Verdict]:
    criterion = suite.experiment(case).accuracy
    higher_is_better = metrics[case.experiment].higher_is_better
    for measurement in case.measurements:
        if measurement not in measured:
            yield _missing(case.id, measurement, "", "was not measured; run the suite")
            continue
        now = measured[measurement]
        if measurement == "accuracy" and case.is_baseline and criterion:
            yield _floor(case.id, now, criterion, higher_is_better)
        if accepted is None or measurement not in accepted:
            yield _missing(case.id, measurement, "", 'nothing has been accepted yet; run `make accept REASON="..."`')
            continue
        then = accepted[measurement]
        apart = difference_in_conditions(now, then)
        if apart:
            detail, by_project = apart
            yield Verdict(case.id, measurement, "", "not comparable", None, None, detail, fails=by_project)
        elif measurement == "speed":
            yield _speed(case.id, now, then, suite.speed)
        else:
            for quantity, reference in then.values.items():
                tolerance = criterion.tolerance if criterion and measurement == "accuracy" else 0.0
                better = higher_is_better if measurement == "accuracy" else False
                yield _deterministic(
                    case.id, measurement, quantity, now.values.get(quantity), reference, tolerance, better
                )


def _deterministic(
    case: str,
    measurement: str,
    quantity: str,
    value: float | None,
    reference: float | None,
    tolerance: float,
    higher_is_better: bool,
) -> Verdict:
    if value is None or reference is None:
        if value == reference:
            return Verdict(case, measurement, quantity, "pass", value, reference, "", fails=False)
        return _missing(case, measurement, quantity, f"{value} now, {reference} accepted")
    status = within(value, reference, tolerance, higher_is_better=higher_is_better)
    detail = "" if status == "pass" else f"{value:.6g} now, {reference:.6g} accepted, tolerance {tolerance:g}"
    return Verdict(case, measurement, quantity, status, value, reference, detail, fails=status == "regressed")


def _floor(case: str, now: Comparable, criterion: Criterion, higher_is_better: bool) -> Verdict:
    value = now.values.get(criterion.metric)
    if value is None:
        return _missing(case, "floor", criterion.metric, "has no value")
    status = within(value, criterion.floor, 0.0, higher_is_better=higher_is_better)
    if status == "regressed":
        word = "below" if higher_is_better else "above"
        detail = f"{value:.6g} is {word} its floor {criterion.floor:g}"
        return Verdict(case, "floor", criterion.metric, "regressed", value, criterion.floor, detail, fails=True)
    return Verdict(case, "floor", criterion.metric, "pass", value, criterion.floor, "", fails=False)


def _speed(case: str, now: Comparable, then: Comparable, tolerance: SpeedTolerance) -> Verdict:
    value, reference = _interval(now, "speedup"), _interval(then, "speedup")
    control = now.values.get("control")
    if value is None or reference is None or control is None:
        return _missing(case, "speed", "speedup", "has no value")
    if abs(control - 1) > tolerance.control:
        status: Status = "inconclusive"
        detail = f"the machine was not quiet: the baseline against itself came out as {control:.3f}"
    else:
        status = ratio(value, reference, tolerance.change)
        detail = "" if status == "pass" else f"{_text(value)} now, {_text(reference)} accepted"
    return Verdict(case, "speed", "speedup", status, value[1], reference[1], detail, fails=status == "regressed")


def _interval(measured: Comparable, quantity: str) -> Interval | None:
    low, value, high = (measured.values.get(name) for name in (f"{quantity}_low", quantity, f"{quantity}_high"))
    return None if low is None or value is None or high is None else (low, value, high)


def _text(interval: Interval) -> str:
    low, value, high = interval
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def _missing(case: str, measurement: str, quantity: str, detail: str) -> Verdict:
    return Verdict(case, measurement, quantity, "missing", None, None, detail, fails=True)
