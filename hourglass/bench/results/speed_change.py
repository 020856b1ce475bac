"""Did a speed-up change? Statistics of ratios to the baseline of the same run, on the scale of their logarithms.

The estimate of a run has two kinds of error: that of its rounds, which its interval tells, and one that all of its
rounds share, because a process keeps the memory and the cores it was given. The second is only seen between runs; its
size is `SpeedTolerance.run`, or what the runs so far show. A change counts if it is larger than matters and larger than
both errors explain: with the factor `SIGNIFICANT` an unchanged case exceeds that in one of 75,000 runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median

from hourglass.bench.suites.suite import SpeedTolerance

SIGNIFICANT = 4.2
"""Standard errors by which one case has to be off: one-sided, 1 in 75,000."""
SIGNIFICANT_TOGETHER = 3.3
"""The same for the mean over all cases: 1 in 2,000."""
RESOLUTION = 0.25
"""A margin that is wider than this, relative, says nothing about changes that matter."""
NORMAL_95, NORMAL_MAD = 1.96, 1.4826


@dataclass(frozen=True)
class Estimate:
    """A ratio with its 95 % interval, as one or more runs found it.

    Attributes:
        runs: How many runs it is pooled over.
    """

    low: float
    value: float
    high: float
    runs: int = 1

    @staticmethod
    def of(values: Mapping[str, float | int | None], quantity: str) -> Estimate | None:
        """A quantity of a measurement; None if it is not there whole, or is no ratio at all."""
        ends = [values.get(name) for name in (f"{quantity}_low", quantity, f"{quantity}_high")]
        if any(end is None or end <= 0 for end in ends):
            return None
        low, value, high = (float(end) for end in ends if end is not None)
        return Estimate(low, value, high, int(values.get("runs") or 1)) if low <= value <= high else None

    def error_towards(self, other: float) -> float:
        """Standard error of its logarithm that its own rounds explain.

        At least that of the side on which another ratio lies: where rounds are of two kinds, fast and slow ones, the
        median is near one of them and its interval reaches to the other.
        """
        side = self.high if other > self.value else self.low
        return max(math.log(self.high / self.low) / 2, abs(math.log(side / self.value))) / NORMAL_95

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Change:
    """A ratio against the accepted one.

    Attributes:
        size: Logarithm of their ratio: 0 for no change, below 0 for slower.
        error: Standard error of the size.
        least: Relative change that matters.
        significant: Standard errors by which it has to be off.
    """

    size: float
    error: float
    least: float
    significant: float = SIGNIFICANT

    @property
    def margin(self) -> float:
        """What the size must exceed to count."""
        return max(math.log1p(self.least), self.significant * self.error)

    @property
    def is_suspect(self) -> bool:
        """Whether it looks slower by more than matters, though noise may explain it: worth another run."""
        return -self.size > max(math.log1p(self.least), self.error)

    @property
    def is_plain(self) -> bool:
        """Whether it is so large that another run would not be of use."""
        return abs(self.size) > 2 * self.margin

    @property
    def direction(self) -> int:
        """-1 for slower, 1 for faster, 0 for no change that counts."""
        return 0 if abs(self.size) <= self.margin else (1 if self.size > 0 else -1)

    @property
    def is_resolved(self) -> bool:
        """Whether a change that matters would have been seen."""
        return self.margin <= RESOLUTION


def change(
    now: Estimate, then: Estimate, tolerance: SpeedTolerance, *, control: float = 1.0, same_machine: bool = True
) -> Change:
    """A ratio against the accepted one.

    Args:
        now: Measured.
        then: Accepted.
        tolerance: Of the suite.
        control: Ratio of the baseline to itself in the run: its distance from 1 is an error that the run has shown.
        same_machine: Whether both were measured on the same machine; the ratio differs somewhat between others.
    """
    shared = tolerance.run**2 * (1 / now.runs + 1 / then.runs)
    own = now.error_towards(then.value) ** 2 + then.error_towards(now.value) ** 2
    error = math.sqrt(own + shared + math.log(control) ** 2)
    least = tolerance.change if same_machine else tolerance.machine
    return Change(math.log(now.value / then.value), error, least)


def change_together(changes: Mapping[str, Sequence[Change]], least: float) -> Change | None:
    """The mean change of all cases; None if there is no case.

    Cases of one model on one data set share their baseline, so their errors are taken to be the same error, those of
    others to be independent.

    Args:
        changes: Of the cases of each model on each data set.
        least: Relative change that matters.
    """
    total = sum(map(len, changes.values()))
    if not total:
        return None
    size = sum(each.size for cases in changes.values() for each in cases) / total
    error = math.sqrt(
        sum((len(cases) / total * fmean(each.error for each in cases)) ** 2 for cases in changes.values() if cases)
    )
    return Change(size, error, least, SIGNIFICANT_TOGETHER)


def change_over_runs(ratios: Sequence[float], then: Estimate, tolerance: SpeedTolerance) -> Change:
    """The mean ratio of several runs on one machine against the accepted one.

    Args:
        ratios: One a run.
        then: Accepted, on the same machine.
        tolerance: Of the suite.
    """
    size = fmean(math.log(ratio / then.value) for ratio in ratios)
    shared = tolerance.run**2 * (1 / len(ratios) + 1 / then.runs)
    error = math.sqrt(then.error_towards(then.value * math.exp(size)) ** 2 + shared)
    return Change(size, error, tolerance.change)


def spread(ratios: Iterable[Sequence[float]]) -> float | None:
    """By how much the ratio of an unchanged case differs from run to run: the standard deviation of its logarithm.

    From the differences between runs that follow each other, by their median: one step, as a change of the code makes
    it, says nothing of noise.

    Args:
        ratios: Of each case, one a run, oldest first.

    Returns:
        Pooled over the cases; None for fewer than eight differences.
    """
    steps = [abs(math.log(after / before)) for values in ratios for before, after in pairwise(values)]
    return NORMAL_MAD * median(steps) / math.sqrt(2) if len(steps) >= 8 else None
