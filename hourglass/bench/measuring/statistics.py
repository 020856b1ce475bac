"""Statistics of timings: pure functions over lists of numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median

import numpy as np

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """An estimate between two bounds."""

    low: float
    value: float
    high: float

    def scaled(self, factor: float) -> Interval:
        """In another unit."""
        return Interval(self.low * factor, self.value * factor, self.high * factor)


def median_interval(samples: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Median of independent samples and the interval between two of them that holds the true one.

    The narrowest pair of order statistics, symmetric in rank, that covers the median with at least this confidence,
    whatever the distribution (David and Nagaraja, *Order Statistics*, 2003, section 7.1); the extremes if there are too
    few samples for that.

    Args:
        samples: At least one.
        confidence: In (0, 1).

    Raises:
        ValueError: There is no sample, or the confidence is out of range.
    """
    _require(samples, confidence)
    ordered, count = sorted(samples), len(samples)
    rank = _outer_rank(count, confidence)
    return Interval(ordered[rank], median(ordered), ordered[count - 1 - rank])


def pseudomedian_interval(samples: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Median of the means of all pairs of independent samples, and the interval that holds the true one.

    The estimator of Hodges and Lehmann with the interval of Wilcoxon's signed ranks (Hollander, Wolfe and Chicken,
    *Nonparametric Statistical Methods*, 2014, sections 3.2 and 3.3), for samples that lie as far and as often above
    their middle as below it. An outlier moves it little, and of ordinary noise it needs two thirds of the samples that
    the median needs. The interval is the extremes if there are fewer than six samples.

    Args:
        samples: At least one.
        confidence: In (0, 1).

    Raises:
        ValueError: There is no sample, or the confidence is out of range.
    """
    _require(samples, confidence)
    values, (one, other) = np.asarray(samples, dtype=float), np.triu_indices(len(samples))
    means = np.sort((values[one] + values[other]) / 2)
    rank = _outer_signed_rank(len(samples), confidence)
    return Interval(float(means[rank]), float(np.median(means)), float(means[len(means) - 1 - rank]))


def paired_ratio(numerator: Sequence[float], denominator: Sequence[float]) -> Interval:
    """The ratio of samples that were taken side by side, so that drift cancels, and its interval.

    The pseudomedian of the ratios' logarithms: swapping the sides inverts it.

    Args:
        numerator: One sample a round, above 0.
        denominator: Of the same rounds, above 0.

    Raises:
        ValueError: The lengths differ or are zero.
    """
    if len(numerator) != len(denominator):
        raise ValueError(f"denominator: {len(denominator)} samples for {len(numerator)} rounds")
    logarithms = [math.log(above / below) for above, below in zip(numerator, denominator, strict=True)]
    found = pseudomedian_interval(logarithms)
    return Interval(math.exp(found.low), math.exp(found.value), math.exp(found.high))


def is_stable(samples: Sequence[float], window: int, tolerance: float) -> bool:
    """Whether warm-up is over: the median of the last ``window`` samples is that of those before, within ``tolerance``.

    Args:
        samples: In the order they were taken.
        window: At least 1; fewer than two windows are never stable.
        tolerance: Relative.
    """
    if len(samples) < 2 * window:
        return False
    before, last = median(samples[-2 * window : -window]), median(samples[-window:])
    return abs(last - before) <= tolerance * before


def _require(samples: Sequence[float], confidence: float) -> None:
    if not samples:
        raise ValueError("samples: there are none")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: must be between 0 and 1, got {confidence}")


@lru_cache
def _outer_signed_rank(count: int, confidence: float) -> int:
    """The largest sum of ranks that is so small by chance alone as seldom as the confidence allows on one side."""
    sums = np.ones(1)
    for rank in range(1, count + 1):
        sums = (np.pad(sums, (0, rank)) + np.pad(sums, (rank, 0))) / 2
    return max(0, int(np.searchsorted(np.cumsum(sums), (1 - confidence) / 2, side="right")) - 1)


@lru_cache
def _outer_rank(count: int, confidence: float) -> int:
    rank = 0
    while 2 * (rank + 1) < count and 2 * _at_most(rank + 1, count) <= 1 - confidence:
        rank += 1
    return rank


def _at_most(below: int, count: int) -> float:
    """Probability that at most so many of ``count`` samples lie below the true median."""
    return sum(math.comb(count, number) for number in range(below + 1)) / float(2**count)
