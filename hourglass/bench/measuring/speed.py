"""How fast methods are beside their baseline: interleaved in one process, same images, kernels and threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import Any

import torch

from hourglass.bench.measuring.rounds import (
    BASELINE,
    CONTROL,
    Clock,
    Samples,
    TimingBudget,
    cpu_timer,
    cuda_timer,
    interleave,
    speedup,
)
from hourglass.bench.measuring.running import Runner, reproducible, threads
from hourglass.bench.measuring.statistics import Interval, median_interval
from hourglass.bench.measuring.types import Result
from hourglass.bench.storage.cores import available_cores
from hourglass.bench.suites.suite import Timing

METHOD = "method"

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

    All run in turn, the baseline twice in every round: its speed-up over itself, the control, says how quiet the
    machine was.

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
        runners = {BASELINE: baseline, **methods}
        single = interleave({name: partial(each, one) for name, each in runners.items()}, timer, latency)
        many = images(batch).to(baseline.device)
        batched = interleave({name: partial(each, many) for name, each in runners.items()}, timer, throughput)
    found: dict[str, Result] = {}
    for name, method in methods.items():
        latency_s, throughput_s = (
            {BASELINE: timed[BASELINE], METHOD: timed[name], CONTROL: timed[CONTROL]} for timed in (single, batched)
        )
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


def summarise(single: Samples, batched: Samples, batch: int) -> dict[str, float | int | None]:
    """Values from the samples of `interleave`.

    Args:
        single: At batch 1, of baseline, control and method.
        batched: At a larger batch.
        batch: How large.
    """
    latency = median_interval(single[METHOD]).scaled(1000)
    return {
        **_named("latency_ms", latency),
        "baseline_latency_ms": median_interval(single[BASELINE]).value * 1000,
        "fps": 1000 / latency.value,
        **_named("speedup", speedup(single, METHOD)),
        **_named("control", speedup(single, CONTROL)),
        "runs": 1,
        "throughput": batch / median_interval(batched[METHOD]).value,
        "baseline_throughput": batch / median_interval(batched[BASELINE]).value,
        **_named("throughput_speedup", speedup(batched, METHOD)),
    }


def _named(name: str, interval: Interval) -> dict[str, float]:
    return {f"{name}_low": interval.low, name: interval.value, f"{name}_high": interval.high}
