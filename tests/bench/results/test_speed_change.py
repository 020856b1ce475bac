"""Statistics of speed-ups, and how often an unchanged or a slower suite raises an alarm: simulated nights.

A night times every case as a run does: rounds in which baseline and plans are paired; a factor that all rounds of a
process share; and what looks slower than accepted timed again. Rounds are drawn from real ones (``rounds.json``, of two
cores that a host shares out, in a busy hour and in a calm one), or are as steady as those of a machine that nobody else
uses.
"""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from hourglass.bench.measuring.statistics import paired_ratio
from hourglass.bench.results.confirming import deserves_another
from hourglass.bench.results.speed_change import (
    Estimate,
    change,
    change_over_runs,
    change_together,
    spread,
)
from hourglass.bench.suites.suite import SpeedTolerance

STEADY_ROUNDS, STEADY = 20, 0.02
"""Rounds of a case and the deviation of their logarithm, on a machine that nobody else uses."""
SMOOTH = 0.01
"""Deviation of the logarithm that tells equal rounds apart."""
TOLERANCE = SpeedTolerance()
ACCEPTED_RUNS = 9
"""Over which the accepted ratios of the embedded suite are pooled."""


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
        return list(self.seconds)[1:]


Hour = Mapping[str, Rounds]
"""Rounds by experiment."""


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
    assert change(exact, exact, TOLERANCE, control=1.1).error > math.log(1.1)
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


def test_the_mean_of_runs_has_the_smaller_error() -> None:
    reference = Estimate(1, 1, 1, runs=100)
    one, nine = (change_over_runs([0.95] * runs, reference, TOLERANCE).error for runs in (1, 9))
    assert one / nine == pytest.approx(3, rel=0.05)


def test_the_spread_between_runs_is_found_whatever_step_a_change_made() -> None:
    draw = random.Random(0)
    quiet = [[math.exp(draw.gauss(0, 0.012)) * (0.8 if night > 3 else 1.0) for night in range(7)] for _ in range(29)]
    assert spread(quiet) == pytest.approx(0.012, rel=0.25)
    assert spread([[1.0, 1.1]]) is None


class Night:
    """The ratios of one night, found as `hourglass speed` finds them."""

    def __init__(self, draw: random.Random, rounds: Hour, slower: Mapping[str, float], runs: int = 1) -> None:
        self._draw, self._hour, self._slower = draw, rounds, slower
        self._pairs: dict[str, list[tuple[float, float]]] = {}
        self._runs: Counter[str] = Counter()
        for _ in range(runs):
            for experiment, each in rounds.items():
                self.time(experiment, each.plans)

    def time(self, experiment: str, plans: Iterable[str]) -> None:
        """One run of some plans."""
        rounds = self._hour[experiment]
        baseline = next(iter(rounds.seconds.values()))
        chosen = [self._draw.randrange(len(baseline)) for _ in range(rounds.of_a_run)]
        # A smoothed bootstrap: an interval between ranks would have no width among equal rounds.
        smooth = [math.exp(self._draw.gauss(0, SMOOTH)) for _ in chosen]
        shared = self._draw.gauss(0, TOLERANCE.run / math.sqrt(2))
        for plan in plans:
            case = f"{experiment}.{plan}"
            own = math.exp(shared + self._draw.gauss(0, TOLERANCE.run / math.sqrt(2)))
            factor = own * self._slower.get(case, self._slower.get("", 1.0))
            seconds = rounds.seconds[plan]
            self._pairs.setdefault(case, []).extend(
                (baseline[i] * each, seconds[i] * factor) for i, each in zip(chosen, smooth, strict=True)
            )
            self._runs[case] += 1

    def estimate(self, case: str) -> Estimate:
        """What all runs of a case found."""
        interval = paired_ratio(*map(list, zip(*self._pairs[case], strict=True)))
        return Estimate(interval.low, interval.value, interval.high, self._runs[case])

    def alarms(self, accepted: Night, tolerance: SpeedTolerance) -> set[str]:
        """What the verdict fails by, after what looks slower was timed again."""
        found, changes = set(), {}
        for experiment, rounds in self._hour.items():
            for plan in rounds.plans:
                case = f"{experiment}.{plan}"
                then = accepted.estimate(case)
                while deserves_another(seen := change(self.estimate(case), then, tolerance), self._runs[case]):
                    self.time(experiment, [plan])
                changes.setdefault(experiment, []).append(seen)
                if seen.direction < 0:
                    found.add(case)
        together = change_together(changes, tolerance.together)
        return found | ({"all cases"} if together and together.direction < 0 else set())


def nights(
    count: int, slower: Mapping[str, float], rounds: Hour, accepted: int = ACCEPTED_RUNS, seed: int = 0
) -> list[set[str]]:
    """What fails in so many nights, each against results that were accepted from so many runs."""
    draw = random.Random(seed)
    return [Night(draw, rounds, slower).alarms(Night(draw, rounds, {}, accepted), TOLERANCE) for _ in range(count)]


HOURS = {"busy": hour("busy"), "calm": hour("calm"), "steady": steady()}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOURS)
def test_an_unchanged_suite_raises_at_most_one_alarm_in_a_thousand_nights(name: str) -> None:
    assert sum(map(bool, nights(1000, {}, HOURS[name], seed=7))) <= 1


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("busy", 0.25), ("calm", 0.6), ("steady", 0.95)])
def test_one_case_that_is_a_tenth_slower_is_seen(name: str, least: float) -> None:
    rounds = HOURS[name]
    cases = [f"{experiment}.{plan}" for experiment, each in rounds.items() for plan in each.plans]
    assert fmean(case in found for case in cases for found in nights(10, {case: 1 / 0.9}, rounds)) >= least


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("busy", 0.8), ("calm", 0.88), ("steady", 0.95)])
def test_all_cases_being_a_twentieth_slower_is_seen(name: str, least: float) -> None:
    assert fmean(map(bool, nights(200, {"": 1 / 0.95}, HOURS[name]))) >= least
