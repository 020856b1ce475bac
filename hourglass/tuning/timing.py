"""How much faster one callable is than another, and how sure that is."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import torch

Clock = Callable[[], float]


def seconds(run: Callable[[], Any], device: torch.device, clock: Clock = time.perf_counter) -> float:
    """Duration of a call, with everything that it started on the device."""
    _wait(device)
    begin = clock()
    run()
    _wait(device)
    return clock() - begin


def interval(ratios: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """An interval that holds the median of what the ratios are samples of, from their order alone.

    The k-th smallest and k-th largest of n samples enclose the median unless fewer than k of them lie on one side of
    it, which is binomial; k is the largest for which that is unlikely enough. With five samples or fewer it is all of
    them, whatever the confidence.

    Args:
        ratios: At least one.
        confidence: Between 0 and 1.
    """
    ordered, count = sorted(ratios), len(ratios)
    outside, k = 0.0, 0
    while k < (count - 1) // 2:
        outside += 2 * math.comb(count, k) / 2**count
        if outside > 1 - confidence:
            break
        k += 1
    at = max(k - 1, 0)
    return ordered[at], ordered[count - 1 - at]


def speedup(ratios: Sequence[float]) -> tuple[float, float, float]:
    """Median of ratios of durations, with both ends of its interval: low, median, high."""
    low, high = interval(ratios)
    return low, median(ratios), high


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
