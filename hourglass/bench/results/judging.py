"""Did anything regress? From measurements and accepted results to verdicts; pure functions.

Accuracy must lie within a tolerance of what was accepted, cost must be equal to it. Speed is judged as a ratio to the
baseline of the same run. Where the project decides a condition (the plan, the weights, the data), a difference in it
makes an accepted value useless and the check fails; where the machine does, the value is judged nevertheless, and the
verdict says what it is compared with.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from hourglass.bench.results.history import machine_of
from hourglass.bench.results.records import Comparable
from hourglass.bench.results.speed_change import Change, Estimate, change, change_over_nights, change_together
from hourglass.bench.results.verdict import Status, Verdict, missing
from hourglass.bench.suites.case import Case, Measurement
from hourglass.bench.suites.suite import Experiment, SpeedTolerance, Suite
from hourglass.bench.tasks.metric import Metric

Results = Mapping[str, Mapping[Measurement, Comparable]]
"""By case id and kind of measurement."""
Metrics = Mapping[str, Sequence[Metric]]
"""All metrics of each experiment's task, by its id; the judged one first."""

JUDGED_COST = ("parameters", "gmacs_executed", "gmacs_operators", "gmacs_published", "gflops_published")
JUDGED_RATIOS = ("speedup", "throughput_speedup")
JUDGED_SPEED = (
    *(f"{ratio}{end}" for ratio in JUDGED_RATIOS for end in ("_low", "", "_high")),
    "baseline_latency_ms",
)
KEPT_SPEED = (*JUDGED_SPEED, "runs")
"""What accepted results keep of a speed."""

DECIDED_BY_PROJECT = ("settings", "weights", "data", "protocol", "precision", "memory_format", "images", "batch")
FRACTION, RELATIVE = 0.01, 0.02
"""How far metrics that the suite does not judge by may move: fractions by so much, others by so much of their value."""
TOGETHER = "all cases"


def judged_quantities(case: Case, metrics: Sequence[Metric]) -> dict[Measurement, tuple[str, ...]]:
    """What verdicts are about, and accepted results must have.

    Args:
        case: Any.
        metrics: Of its task.
    """
    names = tuple(metric.name for metric in metrics)
    return {measurement: {"accuracy": names, "cost": JUDGED_COST, "speed": JUDGED_SPEED}[measurement]
            for measurement in case.measurements}  # fmt: skip


def judge(
    suite: Suite,
    measured: Results,
    accepted: Results | None,
    metrics: Metrics,
    history: Mapping[str, Sequence[Estimate]] | None = None,
) -> list[Verdict]:
    """Verdicts on every case of a suite.

    Args:
        suite: Which cases there should be, with their floors and tolerances.
        measured: What was measured now.
        accepted: What it is compared with; None if nothing has been accepted yet.
        metrics: Of each experiment's task.
        history: Speed-ups of the last runs on this machine, this one among them, by case.
    """
    judges = [
        _Judge(suite, case, measured.get(case.id, {}), (accepted or {}).get(case.id, {}), metrics[case.experiment])
        for case in suite.cases
    ]
    verdicts = [verdict for judge in judges for verdict in judge.verdicts()]
    for judge in judges:
        verdicts += judge.over_nights((history or {}).get(judge.case.id, ()))
    known = {case.id for case in suite.cases}
    gone = "was accepted, but is no longer in the suite; accept again if that is meant"
    verdicts += [missing(case, "accuracy", "", gone) for case in accepted or {} if case not in known]
    changes: dict[str, list[Change]] = {}
    for judge in judges:
        changes.setdefault(f"{judge.case.model}.{judge.case.dataset}", []).extend(judge.changes)
    return verdicts + list(_together(changes, suite.speed))


def within(value: float, reference: float, tolerance: float, *, higher_is_better: bool) -> Status:
    """A deterministic quantity against its reference; the tolerance is absolute, and all of it belongs to `pass`."""
    change = value - reference
    # A tolerance of 0.002 is not exceeded by 0.747625 - 0.745625, which comes out as a little more.
    if abs(change) <= tolerance or math.isclose(abs(change), tolerance, rel_tol=1e-9):
        return "pass"
    return "improved" if (change > 0) == higher_is_better else "regressed"


class _Judge:
    """Judges one case."""

    def __init__(
        self,
        suite: Suite,
        case: Case,
        now: Mapping[Measurement, Comparable],
        then: Mapping[Measurement, Comparable],
        metrics: Sequence[Metric],
    ) -> None:
        self.case = case
        self.changes: list[Change] = []
        self._experiment: Experiment = suite.experiment(case)
        self._tolerance = suite.speed
        self._now = now
        self._then = then
        self._metrics = {metric.name: metric for metric in metrics}
        self._quantities = judged_quantities(case, metrics)

    def verdicts(self) -> Iterator[Verdict]:
        """On everything that is measured of the case."""
        for measurement in self.case.measurements:
            if measurement not in self._now:
                yield missing(self.case.id, measurement, "", "was not measured; run the suite")
                continue
            now = self._now[measurement]
            if measurement == "accuracy":
                yield from self._floor(now)
            if measurement not in self._then:
                advice = 'nothing has been accepted yet; run `make accept REASON="..."`'
                yield missing(self.case.id, measurement, "", advice)
                continue
            yield from self._compare(measurement, now, self._then[measurement])

    def _compare(self, measurement: Measurement, now: Comparable, then: Comparable) -> Iterator[Verdict]:
        for name in DECIDED_BY_PROJECT:
            if now.conditions.get(name) != then.conditions.get(name):
                detail = f"{name}: {now.conditions.get(name)} now, {then.conditions.get(name)} accepted"
                yield Verdict(self.case.id, measurement, "", "not comparable", None, None, detail, fails=True)
                return
        if now.conditions.get("device") == then.conditions.get("device"):
            yield from self._attention(measurement, now, then)
        compare = self._speed if measurement == "speed" else self._deterministic
        yield from compare(measurement, now, then)

    def _attention(self, measurement: Measurement, now: Comparable, then: Comparable) -> Iterator[Verdict]:
        """On one device, torch and the code decide which kernels run: a lost one is a regression, whatever it costs."""
        lost = [name for name in _kernels(then) if name not in _kernels(now)]
        if lost:
            detail = f"attention: {now.conditions.get('attention')} now, {then.conditions.get('attention')} accepted"
            yield Verdict(self.case.id, measurement, "attention", "regressed", None, None, detail, fails=True)

    def _deterministic(self, measurement: Measurement, now: Comparable, then: Comparable) -> Iterator[Verdict]:
        for quantity in self._quantities[measurement]:
            if quantity not in then.values:
                if quantity not in now.values and not self._is_required(quantity):
                    continue
                yield self._missing(measurement, quantity, "was not accepted; accept again")
                continue
            value, reference = now.values.get(quantity), then.values[quantity]
            if value is None or reference is None:
                if value == reference and quantity in now.values:
                    yield Verdict(self.case.id, measurement, quantity, "pass", None, None, "", fails=False)
                else:
                    yield self._missing(measurement, quantity, f"{_known(value)} now, {_known(reference)} accepted")
                continue
            if impossible := self._impossible(measurement, quantity, value, reference):
                yield Verdict(
                    self.case.id, measurement, quantity, "regressed", value, reference, impossible, fails=True
                )
                continue
            tolerance = self._tolerance_of(quantity, reference) if measurement == "accuracy" else 0.0
            better = measurement == "accuracy" and self._metrics[quantity].higher_is_better
            status = within(value, reference, tolerance, higher_is_better=better)
            detail = f"{value:.6g} now, {reference:.6g} accepted, tolerance {tolerance:g}{_elsewhere(now, then)}"
            detail = "" if status == "pass" else detail
            yield Verdict(self.case.id, measurement, quantity, status, value, reference, detail, status == "regressed")

    def _is_required(self, quantity: str) -> bool:
        criterion = self._experiment.accuracy
        return quantity in JUDGED_COST or (criterion is not None and quantity == criterion.metric)

    def _tolerance_of(self, metric: str, reference: float) -> float:
        criterion = self._experiment.accuracy
        if criterion and criterion.metric == metric:
            return criterion.tolerance
        wide = FRACTION if self._metrics[metric].unit == "fraction" else RELATIVE * abs(reference)
        return max(wide, criterion.tolerance if criterion and self._metrics[metric].unit == "fraction" else 0.0)

    def _impossible(self, measurement: Measurement, quantity: str, value: float, reference: float) -> str:
        """Why one of two numbers cannot be; empty if both can."""
        most = math.inf
        if measurement == "accuracy" and self._metrics[quantity].unit == "fraction":
            most = 1.0 if self._metrics[quantity].higher_is_better else math.inf
        for which, number in (("measured", value), ("accepted", reference)):
            if not 0 <= number <= most:
                return f"{number:g} was {which}, which cannot be"
        return ""

    def _floor(self, now: Comparable) -> Iterator[Verdict]:
        criterion = self._experiment.accuracy
        if not criterion or not self.case.is_baseline:
            return
        value = now.values.get(criterion.metric)
        if value is None:
            yield self._missing("floor", criterion.metric, "has no value")
            return
        higher_is_better = self._metrics[criterion.metric].higher_is_better
        status = within(value, criterion.floor, 0.0, higher_is_better=higher_is_better)
        if status == "regressed":
            word = "below" if higher_is_better else "above"
            detail = f"{value:.6g} is {word} its floor {criterion.floor:g}"
            yield Verdict(self.case.id, "floor", criterion.metric, status, value, criterion.floor, detail, fails=True)
        else:
            yield Verdict(self.case.id, "floor", criterion.metric, "pass", value, criterion.floor, "", fails=False)

    def _speed(self, measurement: Measurement, now: Comparable, then: Comparable) -> Iterator[Verdict]:
        machine = machine_of(then.conditions)
        same = machine == machine_of(now.conditions)
        for quantity in JUDGED_RATIOS:
            value, reference = Estimate.of(now.values, quantity), Estimate.of(then.values, quantity)
            if reference is None:
                yield self._missing(measurement, quantity, "was not accepted, or cannot be; accept again")
                continue
            if value is None:
                yield self._missing(measurement, quantity, "has no value, or one that cannot be; measure again")
                continue
            control = Estimate.of(now.values, "control")
            if control is None:
                yield self._missing(measurement, "control", "has no value, or one that cannot be; measure again")
                return
            found = change(value, reference, self._tolerance, control=control, same_machine=same)
            if quantity == "speedup" and same:
                self.changes.append(found)
            yield self._on_speed(quantity, value, reference, found, control, "" if same else machine)
        if same:
            yield from self._baseline(now, then)

    def _on_speed(
        self, quantity: str, value: Estimate, reference: Estimate, found: Change, control: Estimate, machine: str
    ) -> Verdict:
        told = [f"{value} now, {reference} accepted, margin {math.expm1(found.margin):.1%}"]
        if machine:
            told.append(f"compared with another machine: {machine}")
        if abs(control.value - 1) > self._tolerance.control:
            told.append(f"the machine was not quiet: the baseline against itself came out as {control}")
        status: Status = ("regressed", "pass", "improved")[found.direction + 1]
        if status == "pass" and not found.is_resolved:
            status = "inconclusive"
        plain = status == "pass" and not machine
        detail = "" if plain else f"compared with another machine: {machine}" if status == "pass" else "; ".join(told)
        fails = status == "regressed"
        return Verdict(self.case.id, "speed", quantity, status, value.value, reference.value, detail, fails)

    def over_nights(self, nights: Sequence[Estimate]) -> Iterator[Verdict]:
        """On the speed-ups of several nights together: what is too small to be seen in one of them."""
        then = self._then.get("speed")
        reference = Estimate.of(then.values, "speedup") if then else None
        if not self.changes or reference is None:
            return
        found = change_over_nights(nights, reference, self._tolerance)
        if found and found.direction < 0 and self.changes[0].direction == 0:
            told = (
                f"{math.exp(found.size):.3f} times the accepted speed-up on average over several nights, "
                f"margin {math.expm1(found.margin):.1%}"
            )
            yield Verdict(self.case.id, "speed", "speedup over nights", "regressed", None, None, told, fails=True)

    def _baseline(self, now: Comparable, then: Comparable) -> Iterator[Verdict]:
        """A slow-down that baseline and plan share, which no ratio shows; only on one machine, and only a large one."""
        quantity = "baseline_latency_ms"
        value, reference = now.values.get(quantity), then.values.get(quantity)
        if not reference or reference < 0:
            yield self._missing("speed", quantity, "was not accepted; accept again")
        elif not value or value < 0:
            yield self._missing("speed", quantity, "has no value")
        else:
            slower = value / reference - 1
            limit = self._tolerance.machine
            status: Status = "pass" if slower <= limit else "inconclusive" if slower <= 2 * limit else "regressed"
            detail = f"{value:.4g} ms now, {reference:.4g} ms accepted: {slower:.0%} slower, on the same machine"
            told = "" if status == "pass" else detail
            yield Verdict(self.case.id, "speed", quantity, status, value, reference, told, status == "regressed")

    def _missing(self, measurement: str, quantity: str, detail: str) -> Verdict:
        return missing(self.case.id, measurement, quantity, detail)


def _together(changes: Mapping[str, Sequence[Change]], tolerance: SpeedTolerance) -> Iterator[Verdict]:
    """A change of all cases together, of which each may be too small to be seen."""
    found = change_together(changes, tolerance.together)
    if found is None:
        return
    status: Status = ("regressed", "pass", "improved")[found.direction + 1]
    ratio = math.exp(found.size)
    told = f"{ratio:.3f} times the accepted speed-ups on average, margin {math.expm1(found.margin):.1%}"
    fails = status == "regressed"
    yield Verdict(TOGETHER, "speed", "speedup", status, ratio, 1.0, "" if status == "pass" else told, fails)


def _elsewhere(now: Comparable, then: Comparable) -> str:
    """On which devices two values were measured, if on two."""
    here, there = now.conditions.get("device"), then.conditions.get("device")
    return "" if here == there else f"; measured on {here}, accepted on {there}"


def _known(value: float | None) -> str:
    return "n/a" if value is None else str(value)


def _kernels(of: Comparable) -> list[str]:
    named = str(of.conditions.get("attention") or "explicit").split(", ")
    return [name for name in named if name != "explicit"]
