"""Statistics of timings, on numbers that need no machine."""

from __future__ import annotations

import random
from statistics import fmean, median, pvariance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourglass.bench.measuring.statistics import (
    Interval,
    is_stable,
    median_interval,
    paired_ratio,
    pseudomedian_interval,
)

TIMES = st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=60)


@pytest.mark.parametrize(
    ("count", "low", "high"), [(1, 1, 1), (5, 1, 5), (6, 1, 6), (8, 1, 8), (9, 2, 8), (20, 6, 15), (25, 8, 18)]
)
def test_ranks_are_those_of_the_tables(count, low, high):
    found = median_interval(list(range(count, 0, -1)))
    assert (found.low, found.value, found.high) == (low, (count + 1) / 2, high)


def test_the_true_median_is_inside_as_often_as_promised():
    draw = random.Random(0)
    inside = 0
    for _ in range(2000):
        found = median_interval([draw.expovariate(1) for _ in range(15)])
        inside += found.low <= 0.6931 <= found.high
    assert inside / 2000 == pytest.approx(0.965, abs=0.012)


@pytest.mark.parametrize(
    ("count", "sum_of_ranks"), [(1, 0), (5, 0), (6, 0), (7, 2), (8, 3), (9, 5), (10, 8), (15, 25), (20, 52), (25, 89)]
)
def test_signed_ranks_are_those_of_the_tables(count, sum_of_ranks):
    samples = [4.0**number for number in range(count)]  # no two pairs have the same mean
    means = sorted((one + other) / 2 for at, one in enumerate(samples) for other in samples[at:])
    found = pseudomedian_interval(samples)
    assert (found.low, found.high) == (means[sum_of_ranks], means[-1 - sum_of_ranks])
    assert found.value == pytest.approx(median(means))


def test_the_pseudomedian_is_inside_as_often_as_promised_and_surer_than_the_median():
    draw = random.Random(0)
    nights = [[draw.gauss(0, 1) for _ in range(15)] for _ in range(2000)]
    found, medians = [pseudomedian_interval(night) for night in nights], [median(night) for night in nights]
    assert fmean(each.low <= 0 <= each.high for each in found) == pytest.approx(0.952, abs=0.012)
    assert pvariance(each.value for each in found) < 0.75 * pvariance(medians)


@given(TIMES)
def test_the_pseudomedian_moves_and_grows_with_its_samples(samples):
    found = pseudomedian_interval(samples)
    assert min(samples) <= found.low <= found.value <= found.high <= max(samples)
    moved = pseudomedian_interval([3 - 2 * each for each in samples])
    expected = [3 - 2 * each for each in (found.high, found.value, found.low)]
    assert [moved.low, moved.value, moved.high] == pytest.approx(expected, abs=1e-9 * max(samples))


@given(TIMES)
def test_bounds_are_samples_around_the_median(samples):
    found = median_interval(samples)
    assert found.low <= found.value <= found.high
    assert {found.low, found.high} <= set(samples)


@given(TIMES, st.floats(0.1, 10))
def test_ratios_are_free_of_drift(drift, factor):
    found = paired_ratio([factor * d for d in drift], drift)
    assert (found.low, found.value, found.high) == pytest.approx((factor,) * 3)


def test_swapping_the_sides_inverts_the_ratio():
    above, below = [3.0, 2.0, 5.0, 4.0, 6.0], [1.0, 2.0, 2.0, 3.0, 4.0]
    one, other = paired_ratio(above, below), paired_ratio(below, above)
    assert (1 / one.high, 1 / one.value, 1 / one.low) == pytest.approx((other.low, other.value, other.high))


def test_wrong_input_names_the_argument():
    with pytest.raises(ValueError, match="samples"):
        median_interval([])
    with pytest.raises(ValueError, match="confidence"):
        median_interval([1.0], confidence=1.0)
    with pytest.raises(ValueError, match="denominator: 1 samples for 2 rounds"):
        paired_ratio([1.0, 2.0], [1.0])


def test_units():
    assert Interval(1, 2, 3).scaled(1000) == Interval(1000, 2000, 3000)


@pytest.mark.parametrize(
    ("samples", "stable"),
    [
        ([9, 5, 1, 1], False),
        ([9, 5, 1, 1, 1.02, 1.01], True),
        ([1, 1, 1], False),
        ([1, 1, 1.1, 1.1], False),
        ([], False),
    ],
)
def test_warm_up_is_over_when_two_windows_agree(samples, stable):
    assert is_stable(samples, window=2, tolerance=0.05) == stable
