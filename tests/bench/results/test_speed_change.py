"""Statistics of speed-ups, and how often an unchanged or a slower suite raises an alarm: simulated nights.

A night times every case as a run does: rounds in which baseline and plans are paired; a factor that all rounds of a
process share; and what differs from the accepted ratio timed again. Rounds are drawn from real ones (``rounds.json``,
of two cores that a host shares out, where a round differs by 5 to 20 % from the next), or are as steady as those of a
machine that nobody else uses.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hourglass.bench.measuring.statistics import paired_ratio
from hourglass.bench.results.speed_change import (
    Estimate,
    change,
    change_over_runs,
    change_together,
    spread,
)
from hourglass.bench.suites.suite import SpeedTolerance

ROUNDS: dict[str, dict[str, list[float]]] = json.loads((Path(__file__).parent / "rounds.json").read_text())
STEADY_ROUNDS, STEADY = 20, 0.02
"""Rounds of a case and the deviation of their logarithm, on a machine that nobody else uses."""
TOLERANCE = SpeedTolerance()
Rounds = Mapping[str, Mapping[str, list[float]]]


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
    assert Estimate(2 * math.exp(-1.96), 2, 2 * math.exp(1.96)).error == pytest.approx(1)


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

    def __init__(self, draw: random.Random, rounds: Rounds, slower: dict[str, float], runs: int = 1) -> None:
        self._draw, self._rounds, self._slower = draw, rounds, slower
        self.estimates = self._timed(runs)

    def _timed(self, runs: int) -> dict[str, dict[str, Estimate]]:
        found: dict[str, dict[str, Estimate]] = {}
        for experiment, rounds in self._rounds.items():
            count = len(rounds["baseline"])
            pooled: dict[str, list[tuple[float, float]]] = {}
            for _ in range(runs):
                chosen = [self._draw.randrange(count) for _ in range(count)]
                shared = self._draw.gauss(0, TOLERANCE.run / math.sqrt(2))
                for plan in rounds:
                    if plan in ("baseline", "control"):
                        continue
                    own = math.exp(shared + self._draw.gauss(0, TOLERANCE.run / math.sqrt(2)))
                    factor = own * self._slower.get(f"{experiment}.{plan}", self._slower.get("", 1.0))
                    pairs = [(rounds["baseline"][i], rounds[plan][i] * factor) for i in chosen]
                    pooled.setdefault(plan, []).extend(pairs)
            for plan, pairs in pooled.items():
                interval = paired_ratio(*map(list, zip(*pairs, strict=True)))
                found.setdefault(experiment, {})[plan] = Estimate(interval.low, interval.value, interval.high, runs)
        return found

    def alarms(self, accepted: Night, tolerance: SpeedTolerance) -> set[str]:
        """What the verdict fails by, after what differs was timed a second time."""
        found, changes, again = set(), {}, None
        for experiment, plans in self.estimates.items():
            for plan, estimate in plans.items():
                then = accepted.estimates[experiment][plan]
                seen = change(estimate, then, tolerance)
                if seen.direction:
                    again = again or self._timed(2)
                    seen = change(again[experiment][plan], then, tolerance)
                changes.setdefault(experiment, []).append(seen)
                if seen.direction < 0:
                    found.add(f"{experiment}.{plan}")
        together = change_together(changes, tolerance.together)
        return found | ({"all cases"} if together and together.direction < 0 else set())


def nights(
    count: int, slower: dict[str, float], rounds: Rounds = ROUNDS, accepted: int = 1, seed: int = 0
) -> list[set[str]]:
    """What fails in so many nights, each against results that were accepted from so many runs."""
    draw = random.Random(seed)
    return [Night(draw, rounds, slower).alarms(Night(draw, rounds, {}, accepted), TOLERANCE) for _ in range(count)]


def steady() -> Rounds:
    """As many experiments and plans as were really timed, in rounds of a steady machine."""
    draw = random.Random(1)
    return {
        experiment: {plan: [math.exp(draw.gauss(0, STEADY)) for _ in range(STEADY_ROUNDS)] for plan in plans}
        for experiment, plans in ROUNDS.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("accepted", [1, 3])
@pytest.mark.parametrize("rounds", [ROUNDS, steady()], ids=["shared", "steady"])
def test_an_unchanged_suite_raises_at_most_one_alarm_in_a_thousand_nights(rounds: Rounds, accepted: int) -> None:
    assert sum(map(bool, nights(1000, {}, rounds, accepted))) <= 1


@pytest.mark.slow
def test_on_a_steady_machine_one_case_that_is_a_tenth_slower_is_seen_in_95_of_100_nights() -> None:
    """Against results accepted from three runs; over all cases."""
    rounds = steady()
    cases = [f"{experiment}.{plan}" for experiment, plans in rounds.items() for plan in plans if "." in plan]
    seen = [case in found for case in cases for found in nights(10, {case: 1 / 0.9}, rounds, accepted=3)]
    assert sum(seen) >= 0.95 * len(seen)


@pytest.mark.slow
def test_on_a_steady_machine_all_cases_being_a_twentieth_slower_is_seen_in_95_of_100_nights() -> None:
    assert sum(bool(found) for found in nights(200, {"": 1 / 0.95}, steady())) >= 0.95 * 200
