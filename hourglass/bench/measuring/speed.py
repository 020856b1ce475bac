"""How fast methods are beside their baseline: interleaved in one process, same images, kernels and threads."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import torch

from hourglass.bench.measuring.running import Runner, reproducible, threads
from hourglass.bench.measuring.statistics import Interval, is_stable, median_interval, paired_ratio
from hourglass.bench.measuring.types import Result
from hourglass.bench.storage.cores import available_cores
from hourglass.bench.suites.suite import Timing

Clock = Callable[[], float]
"""Seconds since some moment."""
Timer = Callable[[Callable[[], object]], float]
"""Runs something and says how many seconds it took."""

BASELINE, METHOD, CONTROL = "baseline", "method", "control"


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


LATENCY = TimingBudget()
THROUGHPUT = TimingBudget(
    rounds=4, precision=0.02, seconds=Timing().throughput, most_rounds=50, tolerance=0.1, warm_up=1
)


def measure_speed(
    baseline: Runner,
    methods: Mapping[str, Runner],
    images: Callable[[int], torch.Tensor],
    batch: int,
    *,
    data: str | None = None,
    seed: int = 0,
    clock: Clock = perf_counter,
    latency: TimingBudget = LATENCY,
    throughput: TimingBudget = THROUGHPUT,
) -> dict[str, Result]:
    """Time methods and their common baseline: latency at batch 1, throughput at a larger batch.

    All run in turn. The baseline runs a second time in every round, as a control: its speed-up over itself says how
    quiet the machine was.

    Args:
        baseline: The untouched model. On a CUDA device, its own events are the clock.
        methods: The same model by each method, on the same device, by a name; at least one.
        images: From a number B to a batch (B, 3, H, W), float32 in [0, 1].
        batch: Images of a batch whose throughput is measured.
        data: Fingerprint of what the images are from.
        seed: Of models that are random.
        clock: For the CPU.
        latency: Budget at batch 1.
        throughput: Budget at ``batch``.

    Returns:
        The result of each method, by its name.
    """
    timer = cuda_timer() if baseline.device.type == "cuda" else cpu_timer(clock)
    cores = available_cores()
    with threads(cores), reproducible(seed):
        one = images(1).to(baseline.device)
        attention = {name: method.attention(one) for name, method in methods.items()}
        single = interleave(_contenders(baseline, methods, one, control=True), timer, latency)
        many = images(batch).to(baseline.device)
        batched = interleave(_contenders(baseline, methods, many, control=False), timer, throughput)
    found: dict[str, Result] = {}
    for name, method in methods.items():
        latency_s = {BASELINE: single[BASELINE], METHOD: single[name], CONTROL: single[CONTROL]}
        throughput_s = {BASELINE: batched[BASELINE], METHOD: batched[name]}
        found[name] = {
            "values": summarise(latency_s, throughput_s, batch),
            "samples": {
                "latency_s": latency_s,
                "throughput_s": throughput_s,
                "throughput_batch": batch,
                "timed_together": list(methods),
            },
            "conditions": method.conditions(threads=cores, attention=attention[name], data=data),
        }
    return found


def interleave(
    contenders: Mapping[str, Callable[[], object]], timer: Timer, budget: TimingBudget
) -> dict[str, list[float]]:
    """Run contenders in turn, each once a round and in another order every round, after a warm-up of the same kind.

    Args:
        contenders: By name; in the first round they run in this order.
        timer: Times one run.
        budget: When to stop.

    Returns:
        Seconds of every run by name, warm-up left out; round i of one belongs to round i of the others.
    """
    warm_up: dict[str, list[float]] = {name: [] for name in contenders}
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        for turn in range(budget.warm_up):
            _round(contenders, turn, timer, warm_up)
            if all(is_stable(times, budget.window, budget.tolerance) for times in warm_up.values()):
                break
        for turn in range(budget.most_rounds):
            _round(contenders, turn, timer, samples)
            if turn + 1 >= budget.rounds and _is_enough(samples, budget):
                break
    finally:
        if collecting:
            gc.enable()
    return samples


def pooled(results: Sequence[Result]) -> Result:
    """What several runs of one case found together; its conditions are those of the last one.

    Args:
        results: As `measure_speed` or this function returns them, at least one.
    """
    kinds = ("latency_s", "throughput_s")
    samples: dict[str, Any] = {
        kind: {
            name: [second for result in results for second in result["samples"][kind][name]]
            for name in results[0]["samples"][kind]
        }
        for kind in kinds
    }
    batch = results[-1]["samples"]["throughput_batch"]
    values = summarise(samples["latency_s"], samples["throughput_s"], batch)
    rounds = [number for result in results for number in _rounds_of_runs(result)]
    return {
        "values": {**values, "runs": len(rounds)},
        "samples": {**results[-1]["samples"], **samples, "rounds_of_runs": rounds},
        "conditions": results[-1]["conditions"],
    }


def _rounds_of_runs(result: Result) -> list[int]:
    rounds: list[int] = result["samples"].get("rounds_of_runs") or [len(result["samples"]["latency_s"][BASELINE])]
    return rounds


def summarise(
    single: Mapping[str, Sequence[float]], batched: Mapping[str, Sequence[float]], batch: int
) -> dict[str, float | int | None]:
    """Values from the samples of `interleave`.

    Args:
        single: Seconds at batch 1 of baseline, method and control.
        batched: Seconds at a larger batch of baseline and method.
        batch: How large.
    """
    latency = median_interval(single[METHOD]).scaled(1000)
    return {
        **_named("latency_ms", latency),
        "baseline_latency_ms": median_interval(single[BASELINE]).value * 1000,
        "fps": 1000 / latency.value,
        **_named("speedup", paired_ratio(single[BASELINE], single[METHOD])),
        **_named("control", paired_ratio(single[BASELINE], single[CONTROL])),
        "runs": 1,
        "throughput": batch / median_interval(batched[METHOD]).value,
        "baseline_throughput": batch / median_interval(batched[BASELINE]).value,
        **_named("throughput_speedup", paired_ratio(batched[BASELINE], batched[METHOD])),
    }


def cpu_timer(clock: Clock) -> Timer:
    """Times what is over when it returns."""

    def time(run: Callable[[], object]) -> float:
        begin = clock()
        run()
        return clock() - begin

    return time


def cuda_timer() -> Timer:
    """Times by events on the device, which is idle before and after."""

    def time(run: Callable[[], object]) -> float:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        begin.record()
        run()
        end.record()
        torch.cuda.synchronize()
        return float(begin.elapsed_time(end)) / 1000

    return time


def _contenders(
    baseline: Runner, methods: Mapping[str, Runner], images: torch.Tensor, *, control: bool
) -> dict[str, Callable[[], object]]:
    runs: dict[str, Callable[[], object]] = {BASELINE: partial(baseline, images)}
    runs.update({name: partial(method, images) for name, method in methods.items()})
    return {**runs, CONTROL: runs[BASELINE]} if control else runs


def _is_enough(samples: Mapping[str, Sequence[float]], budget: TimingBudget) -> bool:
    """Whether time is up, or every ratio to the first contender is known with the precision that is asked for."""
    if sum(map(sum, samples.values())) >= budget.seconds * len(samples):
        return True
    first, *others = samples.values()
    ratios = [paired_ratio(first, other) for other in others]
    return all((ratio.high - ratio.low) / 2 <= budget.precision * ratio.value for ratio in ratios)


def _round(
    contenders: Mapping[str, Callable[[], object]], turn: int, timer: Timer, into: Mapping[str, list[float]]
) -> None:
    names = list(contenders)
    first = turn % len(names)
    for name in names[first:] + names[:first]:
        into[name].append(timer(contenders[name]))


def _named(name: str, interval: Interval) -> dict[str, float]:
    return {f"{name}_low": interval.low, name: interval.value, f"{name}_high": interval.high}
