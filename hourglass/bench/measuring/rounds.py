"""Rounds of runs: a baseline and what is compared with it take turns in one process, so that drift cancels."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

import torch

from hourglass.bench.measuring.allocation import kept_memory
from hourglass.bench.measuring.statistics import Interval, is_stable, paired_ratio
from hourglass.bench.suites.suite import Timing

Clock = Callable[[], float]
"""Seconds since some moment."""
Run = Callable[[], object]
Timer = Callable[[Run], float]
"""Runs something and says how many seconds it took."""
Samples = Mapping[str, Sequence[float]]
"""Seconds of every run by contender; run i of one belongs to round i, as run i of the others does."""

BASELINE, CONTROL = "baseline", "control"
"""The two runs of the baseline in every round."""


@dataclass(frozen=True)
class TimingBudget:
    """How long to measure: until the ratios to the baseline are known well enough.

    Attributes:
        rounds: Every contender runs at least so often, after the warm-up.
        precision: Half of a ratio's 95 % interval that is narrow enough, relative.
        seconds: But no longer than this, for the average contender.
        most_rounds: And no more rounds than these.
        window: Rounds compared with as many before, to see whether the warm-up is over.
        tolerance: How far their medians may be apart, relative.
        warm_up: Rounds after which it is over in any case.
    """

    rounds: int = 9
    precision: float = 0.01
    seconds: float = Timing().latency
    most_rounds: int = 200
    window: int = 1
    tolerance: float = 0.05
    warm_up: int = 3


def interleave(contenders: Mapping[str, Run], timer: Timer, budget: TimingBudget) -> dict[str, list[float]]:
    """Run a baseline and what is compared with it in turn, after a warm-up of the same kind.

    The baseline runs twice a round, with half of the others between: no contender is far from one of its runs. Every
    other round goes backwards, so that each contender follows what it was followed by.

    Args:
        contenders: By name, `BASELINE` among them.
        timer: Times one run.
        budget: When to stop.

    Returns:
        The samples of all, of the baseline's second run as `CONTROL`; without the warm-up.
    """
    turns = _turns(contenders)
    warm_up: dict[str, list[float]] = {name: [] for name in turns}
    samples: dict[str, list[float]] = {name: [] for name in turns}
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        with kept_memory():
            for number in range(budget.warm_up):
                _round(turns, number, timer, warm_up)
                if all(is_stable(times, budget.window, budget.tolerance) for times in warm_up.values()):
                    break
            for number in range(budget.most_rounds):
                _round(turns, number, timer, samples)
                if number + 1 >= budget.rounds and _is_enough(samples, budget):
                    break
    finally:
        if collecting:
            gc.enable()
    return samples


def speedup(samples: Samples, name: str) -> Interval:
    """Time of the baseline over that of a contender: the pseudomedian of their ratios in each round.

    The baseline's time in a round is the geometric mean of its two runs, if it ran twice. For `CONTROL` the first is
    compared with the second: how far their ratio is from 1 says how quiet the machine was.

    Args:
        samples: Of `interleave`.
        name: Of the contender.
    """
    first, second = samples[BASELINE], samples.get(CONTROL, samples[BASELINE])
    if name == CONTROL:
        return paired_ratio(first, second)
    return paired_ratio([math.sqrt(one * other) for one, other in zip(first, second, strict=True)], samples[name])


def cpu_timer(clock: Clock = perf_counter) -> Timer:
    """Times what is over when it returns."""

    def time(run: Run) -> float:
        begin = clock()
        run()
        return clock() - begin

    return time


def cuda_timer() -> Timer:
    """Times by events on the device, which is idle before and after."""

    def time(run: Run) -> float:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        begin.record()
        run()
        end.record()
        torch.cuda.synchronize()
        return float(begin.elapsed_time(end)) / 1000

    return time


def _turns(contenders: Mapping[str, Run]) -> dict[str, Run]:
    """The order of a round: a quarter of the others, the baseline, half of them, the baseline, the last quarter."""
    others = [name for name in contenders if name != BASELINE]
    quarter = len(others) // 4
    early, middle, late = others[:quarter], others[quarter : len(others) - quarter], others[len(others) - quarter :]
    order = (*early, BASELINE, *middle, CONTROL, *late)
    return {name: contenders[BASELINE if name == CONTROL else name] for name in order}


def _round(turns: Mapping[str, Run], number: int, timer: Timer, into: Mapping[str, list[float]]) -> None:
    for name in reversed(list(turns)) if number % 2 else turns:
        into[name].append(timer(turns[name]))


def _is_enough(samples: Samples, budget: TimingBudget) -> bool:
    """Whether time is up, or every ratio to the baseline is known with the precision that is asked for."""
    if sum(map(sum, samples.values())) >= budget.seconds * len(samples):
        return True
    ratios = [speedup(samples, name) for name in samples if name != BASELINE]
    return all((ratio.high - ratio.low) / 2 <= budget.precision * ratio.value for ratio in ratios)
