"""Statistics of speed-ups, and how often an unchanged or a slower suite raises an alarm: simulated nights.

A night times every case as a run does: rounds in which baseline and plans are paired; a factor that all rounds of a
process share; what looks slower than accepted timed again; and the nights before. Rounds are drawn from real ones, of
two cores that a host shares out in a busy hour (``rounds.json``), or are as steady as those of a machine of one's own.
"""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

import pytest

from hourglass.bench.measuring.rounds import BASELINE, CONTROL, speedup
from hourglass.bench.measuring.speed import METHOD
from hourglass.bench.results.confirming import deserves_another
from hourglass.bench.results.speed_change import (
    Change,
    Estimate,
    change,
    change_over_nights,
    change_together,
    seen_over_nights,
)
from hourglass.bench.suites.suite import SpeedTolerance, Suite

STEADY_ROUNDS, STEADY = 20, 0.02
"""Rounds of a case and the deviation of their logarithm, on a machine that nobody else uses."""
SMOOTH = 0.01
"""Deviation of the logarithm that tells equal rounds apart."""
EMBEDDED = Suite.read("embedded")
TOLERANCE, TIMING = EMBEDDED.speed, EMBEDDED.timing
LONGER_RUNS = 3
"""Over which accepted ratios are pooled, beside a usual one."""


@dataclass(frozen=True)
class Rounds:
    """Of an experiment.

    Attributes:
        of_a_run: How many a run times.
        seconds: Of each contender, round by round; the first is the baseline.
    """

    of_a_run: int
    seconds: dict[str, list[float]]

    @property
    def plans(self) -> list[str]:
        """All contenders but the baseline."""
        return [name for name in self.seconds if name not in (BASELINE, CONTROL)]

    def seconds_of(self, plans: Sequence[str]) -> float:
        """Of a round of some plans and their baseline."""
        return sum(median(self.seconds[name]) for name in (BASELINE, CONTROL, *plans))

    def of_another_run(self, plans: Sequence[str]) -> int:
        """How many a run times of plans that looked slower."""
        budget = TIMING.again * TIMING.latency * (2 + len(plans))
        return max(self.of_a_run, int(budget / self.seconds_of(plans)))


Hour = Mapping[str, Rounds]
"""Rounds by experiment."""
Nights = Sequence[Mapping[str, Estimate]]
"""The ratios of each night by case."""


def hour(name: str) -> Hour:
    """Really timed ones."""
    stored = json.loads((Path(__file__).parent / "rounds.json").read_text())
    return {experiment: Rounds(**rounds) for experiment, rounds in stored[name].items()}


def steady() -> Hour:
    """As many experiments and plans as in the busy hour, in rounds of a steady machine."""
    draw = random.Random(1)
    return {
        experiment: Rounds(
            STEADY_ROUNDS,
            {plan: [math.exp(draw.gauss(0, STEADY)) for _ in range(STEADY_ROUNDS)] for plan in rounds.seconds},
        )
        for experiment, rounds in hour("busy").items()
    }


@pytest.mark.parametrize(
    ("values", "estimate"),
    [
        ({"s_low": 1.9, "s": 2, "s_high": 2.1}, Estimate(1.9, 2, 2.1)),
        ({"s_low": 1.9, "s": 2, "s_high": 2.1, "runs": 3}, Estimate(1.9, 2, 2.1, 3)),
        ({"s_low": 1.9, "s": 2}, None),
        ({"s_low": 0, "s": 2, "s_high": 2.1}, None),
        ({"s_low": 2.05, "s": 2, "s_high": 2.1}, None),
        ({"s_low": None, "s": 2, "s_high": 2.1}, None),
    ],
)
def test_an_estimate_is_a_ratio_within_its_interval(values: dict[str, Any], estimate: Estimate | None) -> None:
    assert Estimate.of(values, "s") == estimate


def test_errors_add_up() -> None:
    exact = Estimate(2, 2, 2)
    assert change(exact, exact, TOLERANCE).error == pytest.approx(TOLERANCE.run * math.sqrt(2))
    twice = Estimate(2, 2, 2, runs=2)
    assert change(twice, twice, TOLERANCE).error == pytest.approx(TOLERANCE.run)
    assert change(exact, exact, TOLERANCE, control=Estimate(1.1, 1.2, 1.3)).error > math.log(1.1)
    assert change(exact, exact, TOLERANCE, control=Estimate(0.7, 0.8, 0.9)).error > math.log(1 / 0.9)
    assert change(exact, exact, TOLERANCE, control=Estimate(0.9, 1.1, 1.3)) == change(exact, exact, TOLERANCE)
    assert Estimate(2 * math.exp(-1.96), 2, 2 * math.exp(1.96)).error_towards(3) == pytest.approx(1)


def test_the_error_is_at_least_that_of_the_side_of_the_other_ratio() -> None:
    skewed = Estimate(2 * math.exp(-1.96), 2, 2 * math.exp(3 * 1.96))
    assert skewed.error_towards(3) == pytest.approx(3)
    assert skewed.error_towards(1) == pytest.approx(2)


def test_what_matters_and_what_noise_explains_are_two_conditions() -> None:
    still = SpeedTolerance(change=0.05, run=0.0)
    exact = Estimate(1, 1, 1)
    assert change(Estimate(0.96, 0.96, 0.96), exact, still).direction == 0
    assert change(Estimate(0.94, 0.94, 0.94), exact, still).direction == -1
    assert change(Estimate(1.06, 1.06, 1.06), exact, still).direction == 1
    assert change(Estimate(0.94, 0.94, 0.94), exact, SpeedTolerance(run=0.05)).direction == 0
    assert not change(exact, exact, SpeedTolerance(run=0.05)).is_resolved


def test_the_mean_of_cases_has_the_error_of_their_experiments() -> None:
    one = change(Estimate(0.97, 0.97, 0.97), Estimate(1, 1, 1), TOLERANCE)
    found = change_together({"a": [one] * 4, "b": [one] * 4, "none": []}, 0.02)
    assert found is not None
    assert found.size == pytest.approx(math.log(0.97))
    assert found.error == pytest.approx(one.error / math.sqrt(2))
    assert change_together({"none": []}, 0.02) is None


def still(*ratios: float) -> list[Estimate]:
    return [Estimate(ratio, ratio, ratio) for ratio in ratios]


def test_nights_together_have_the_smaller_error() -> None:
    reference = Estimate(1, 1, 1, runs=100)
    assert change_over_nights(still(0.95), reference, TOLERANCE) is None
    two, nine = (change_over_nights(still(*[0.95] * nights), reference, TOLERANCE) for nights in (2, 9))
    assert two
    assert nine
    assert (two.size, nine.size) == pytest.approx((math.log(0.95),) * 2)
    assert nine.error < 0.7 * two.error


def test_a_night_counts_for_what_it_is_worth() -> None:
    restless = Estimate(0.5, 0.8, 1.3)
    found = change_over_nights([restless, Estimate(0.999, 1, 1.001)], Estimate(1, 1, 1), TOLERANCE)
    assert found
    assert found.size == pytest.approx(0, abs=0.002)


def test_a_change_is_seen_whatever_was_before_it() -> None:
    found = change_over_nights(still(1.1, 1.1, 1.1, 1.1, 0.92, 0.93, 0.92), Estimate(1, 1, 1), TOLERANCE)
    assert found
    assert found.direction == -1
    assert found.size == pytest.approx(math.log(0.923), abs=0.002)


def restless_nights(own: float, between: float, step: float = 0.8) -> list[list[Estimate]]:
    """Of 29 cases, with a step after the fourth one."""
    draw = random.Random(0)

    def night(number: int) -> Estimate:
        value = math.exp(draw.gauss(0, math.hypot(own, between))) * (step if number > 3 else 1.0)
        return Estimate(value * math.exp(-1.96 * own), value, value * math.exp(1.96 * own))

    return [[night(number) for number in range(7)] for _ in range(29)]


def test_what_nights_differ_by_beyond_their_own_errors_is_the_error_of_a_run() -> None:
    shown = seen_over_nights(TOLERANCE, restless_nights(own=0.02, between=0.04))
    assert shown.run == pytest.approx(0.04, rel=0.25)
    assert seen_over_nights(TOLERANCE, restless_nights(own=0.04, between=0.0, step=1.0)).run < 1.5 * TOLERANCE.run
    assert seen_over_nights(TOLERANCE, restless_nights(own=0.0, between=0.001)) == TOLERANCE
    assert seen_over_nights(TOLERANCE, [still(1.0, 1.5)]) == TOLERANCE


class Night:
    """The ratios of one night, found as `hourglass speed` finds them."""

    def __init__(
        self, draw: random.Random, rounds: Hour, slower: Mapping[str, float], *, accepted: bool = False
    ) -> None:
        self._draw, self._hour, self._slower = draw, rounds, slower
        self._samples: dict[str, dict[str, list[float]]] = {}
        self._runs: Counter[str] = Counter()
        self.again: list[float] = []
        for experiment, each in rounds.items():
            self._time(experiment, each.plans, each.of_a_run)
            for _ in range(LONGER_RUNS if accepted else 0):
                self.time_again(experiment, each.plans)

    def time_again(self, experiment: str, plans: Sequence[str]) -> None:
        """A longer run of some plans; how long it is stands in `again`."""
        rounds = self._hour[experiment]
        count = rounds.of_another_run(plans)
        self._time(experiment, plans, count)
        self.again.append(count * rounds.seconds_of(plans))

    def _time(self, experiment: str, plans: Iterable[str], count: int) -> None:
        seconds = self._hour[experiment].seconds
        chosen = self._draw.choices(range(len(seconds[BASELINE])), k=count)
        shared = self._draw.gauss(0, TOLERANCE.run / math.sqrt(2))
        for plan in plans:
            case = f"{experiment}.{plan}"
            own = math.exp(shared + self._draw.gauss(0, TOLERANCE.run / math.sqrt(2)))
            factor = own * self._slower.get(case, self._slower.get("", 1.0))
            into = self._samples.setdefault(case, {BASELINE: [], CONTROL: [], METHOD: []})
            for name, contender, times in ((BASELINE,) * 2 + (1,), (CONTROL,) * 2 + (1,), (METHOD, plan, factor)):
                # A smoothed bootstrap: an interval between ranks would have no width among equal rounds.
                into[name] += [seconds[contender][i] * times * math.exp(self._draw.gauss(0, SMOOTH)) for i in chosen]
            self._runs[case] += 1

    def estimate(self, case: str, contender: str = METHOD) -> Estimate:
        """What all runs of a case found."""
        interval = speedup(self._samples[case], contender)
        return Estimate(interval.low, interval.value, interval.high, self._runs[case])

    def alarms(self, accepted: Mapping[str, Estimate], before: Nights = ()) -> set[str]:
        """What the verdict fails by, after what looks slower was timed again.

        Args:
            accepted: By case.
            before: The nights before this one, oldest first.
        """
        found, changes = set(), {}
        history = {case: [night[case] for night in before] for case in accepted}
        tolerance = seen_over_nights(TOLERANCE, history.values())
        for experiment, rounds in self._hour.items():
            cases = {plan: f"{experiment}.{plan}" for plan in rounds.plans}
            seen = {plan: self._change(case, accepted[case], TOLERANCE) for plan, case in cases.items()}
            while again := [plan for plan, case in cases.items() if deserves_another(seen[plan], self._runs[case])]:
                self.time_again(experiment, again)
                seen.update({plan: self._change(cases[plan], accepted[cases[plan]], TOLERANCE) for plan in again})
            for case in cases.values():
                change = self._change(case, accepted[case], tolerance)
                together = change_over_nights([*history[case], self.estimate(case)], accepted[case], tolerance)
                changes.setdefault(experiment, []).append(change)
                if change.direction < 0 or (together and together.direction < 0):
                    found.add(case)
        together = change_together(changes, tolerance.together)
        return found | ({"all cases"} if together and together.direction < 0 else set())

    def estimates(self) -> dict[str, Estimate]:
        """By case."""
        return {case: self.estimate(case) for case in self._samples}

    def _change(self, case: str, then: Estimate, tolerance: SpeedTolerance) -> Change:
        return change(self.estimate(case), then, tolerance, control=self.estimate(case, CONTROL))


def seasons(
    count: int, slower: Mapping[str, float], rounds: Hour, *, length: int = 1, seed: int = 0
) -> Iterator[list[set[str]]]:
    """What fails in the nights of so many seasons of so many nights, each season against results of its own."""
    draw = random.Random(seed)
    for _ in range(count):
        accepted = Night(draw, rounds, {}, accepted=True).estimates()
        nights: list[dict[str, Estimate]] = []
        alarms = []
        for _ in range(length):
            night = Night(draw, rounds, slower)
            alarms.append(night.alarms(accepted, nights))
            nights.append(night.estimates())
        yield alarms


HOURS = {"busy": hour("busy"), "steady": steady()}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOURS)
def test_an_unchanged_suite_raises_at_most_one_alarm_in_a_thousand_nights(name: str) -> None:
    alarms = [night for season in seasons(143, {}, HOURS[name], length=7, seed=7) for night in season]
    assert len(alarms) > 1000
    assert sum(map(bool, alarms)) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", HOURS)
def test_one_case_that_takes_a_tenth_longer_is_seen_in_the_night_it_comes(name: str) -> None:
    rounds = HOURS[name]
    cases = [f"{experiment}.{plan}" for experiment, each in rounds.items() for plan in each.plans]
    assert fmean(case in found for case in cases for (found,) in seasons(20, {case: 1.1}, rounds)) >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("name", HOURS)
def test_all_cases_taking_a_twentieth_longer_is_seen_in_the_night_it_comes(name: str) -> None:
    assert fmean(bool(found) for (found,) in seasons(200, {"": 1.05}, HOURS[name])) >= 0.95
