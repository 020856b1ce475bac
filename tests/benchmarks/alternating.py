"""Timing one form between two runs of another, so that whatever else the machine does meets all."""

from __future__ import annotations

import statistics
import time

ROUNDS = 15


def alternate(benchmark, ours, dense, rounds=ROUNDS):
    """Benchmarks `ours` between two calls of `dense`; keeps the median and the quartiles of the ratios."""
    before, mine, after = [], [], []

    def timed(function, times):
        begin = time.perf_counter(), time.process_time()
        function()
        times.append((time.perf_counter() - begin[0], time.process_time() - begin[1]))

    for _ in range(2):
        ours()
    benchmark.pedantic(
        lambda: timed(ours, mine),
        setup=lambda: timed(dense, before),
        teardown=lambda: timed(dense, after),
        rounds=rounds,
    )
    clocks = (zip(*times, strict=True) for times in (before, mine, after))
    (wall_before, cpu_before), (wall_mine, cpu_mine), (wall_after, _) = (tuple(clock) for clock in clocks)
    benchmark.extra_info["times_faster"] = quartiles(wall_before, wall_mine)
    benchmark.extra_info["in_processor_time"] = quartiles(cpu_before, cpu_mine)
    benchmark.extra_info["control"] = quartiles(wall_before, wall_after)


def quartiles(numerators, denominators):
    """The median, the lower and the upper quartile of the ratios."""
    ratios = [above / below for above, below in zip(numerators, denominators, strict=True)]
    lower, median, upper = statistics.quantiles(ratios, n=4)
    return [round(number, 2) for number in (median, lower, upper)]
