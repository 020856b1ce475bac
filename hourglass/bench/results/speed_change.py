"""Did a speed-up change? Statistics of ratios to the baseline of the same run, on the scale of their logarithms.

The estimate of a run has two kinds of error: that of its rounds, which its interval tells, and one that all of its
rounds share, because a process keeps the cores it was given. The second is only seen between runs; its size is
`SpeedTolerance.run`, or what past nights show if that is more. A change counts if it is larger than matters and larger
than both errors explain: with the factor `SIGNIFICANT` an unchanged case exceeds that in one of 185,000 runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median

from hourglass.bench.suites.suite import SpeedTolerance

SIGNIFICANT = 4.4
"""Standard errors by which one case has to be off: one-sided, 1 in 185,000."""
SIGNIFICANT_TOGETHER = 3.3
"""The same for the mean over all cases: 1 in 2,000."""
SUSPICIOUS = 2.0
"""Standard errors within which a ratio is in doubt: one-sided, 1 of 44 estimates is off by more."""
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


QUIET = Estimate(1.0, 1.0, 1.0)
"""The baseline against itself, where nothing else takes time."""


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
    def looks_slower(self) -> bool:
        """Whether it looks slower by more than matters, beyond doubt."""
        return -self.size > max(math.log1p(self.least), SUSPICIOUS * self.error)

    @property
    def may_be_slower(self) -> bool:
        """Whether it looks slower by more than matters, or may be slower by twice that."""
        unseen = math.log1p(2 * self.least) - SUSPICIOUS * self.error
        return -self.size > max(0.0, min(math.log1p(self.least), unseen))

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
    now: Estimate, then: Estimate, tolerance: SpeedTolerance, *, control: Estimate = QUIET, same_machine: bool = True
) -> Change:
    """A ratio against the accepted one.

    Args:
        now: Measured.
        then: Accepted.
        tolerance: Of the suite.
        control: Ratio of the baseline to itself in the run: how far 1 is outside of its interval is an error that the
            run has shown.
        same_machine: Whether both were measured on the same machine; the ratio differs somewhat between others.
    """
    shared = tolerance.run**2 * (1 / now.runs + 1 / then.runs)
    own = now.error_towards(then.value) ** 2 + then.error_towards(now.value) ** 2
    unquiet = max(0.0, math.log(control.low), -math.log(control.high))
    error = math.sqrt(own + shared + unquiet**2)
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


def change_over_nights(nights: Sequence[Estimate], then: Estimate, tolerance: SpeedTolerance) -> Change | None:
    """What the last nights on one machine say together: of the last two, three and so on, those that say it plainest.

    A change is seen so many nights after it came as it takes, whatever was before it.

    Args:
        nights: Oldest first, this one last.
        then: Accepted, on the same machine.
        tolerance: Of the suite.

    Returns:
        None for fewer than two nights.
    """
    windows = (_pooled(nights[-count:], then, tolerance) for count in range(2, len(nights) + 1))
    return min(windows, key=lambda each: each.size / each.margin, default=None)


def _pooled(nights: Sequence[Estimate], then: Estimate, tolerance: SpeedTolerance) -> Change:
    """The mean change, each night by what it is worth."""
    run = tolerance.run**2
    weights = [1 / max(1e-12, each.error_towards(then.value) ** 2 + run / each.runs) for each in nights]
    sizes = [math.log(each.value / then.value) for each in nights]
    size = sum(weight * each for weight, each in zip(weights, sizes, strict=True)) / sum(weights)
    accepted = then.error_towards(then.value * math.exp(size)) ** 2 + run / then.runs
    return Change(size, math.sqrt(1 / sum(weights) + accepted), tolerance.change)


def seen_over_nights(tolerance: SpeedTolerance, cases: Iterable[Sequence[Estimate]]) -> SpeedTolerance:
    """With as much error between runs as past nights show beyond that of their rounds, if that is more.

    From the differences between nights that follow each other, by their median: one step, as a change of the code makes
    it, says nothing of noise. Fewer than eight differences do not, either.

    Args:
        tolerance: Of the suite.
        cases: The nights of each case, oldest first.
    """
    steps = [
        (math.log(after.value / before.value), before.error_towards(after.value), after.error_towards(before.value))
        for nights in cases
        for before, after in pairwise(nights)
    ]
    if len(steps) < 8:
        return tolerance
    seen = (NORMAL_MAD * median(abs(size) for size, *_ in steps)) ** 2
    explained = median(one**2 + other**2 for _, one, other in steps)
    return tolerance.model_copy(update={"run": max(tolerance.run, math.sqrt(max(0.0, seen - explained) / 2))})
