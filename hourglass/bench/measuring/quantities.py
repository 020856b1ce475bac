"""Everything that is measured, declared once: name, unit, and which way is better."""

from __future__ import annotations

from hourglass.bench import tasks
from hourglass.bench.tasks.metric import Metric

COST = (
    Metric("parameters", "parameters", "1", False, "number of parameters"),
    Metric("gmacs_executed", "GMACs executed", "1e9", False, "multiply-accumulates of one image, as they really run"),
    Metric("gmacs_operators", "GMACs of the operators", "1e9", False, "of those, in clustering and reconstruction"),
    Metric("gmacs_published", "GMACs (paper)", "1e9", False, "multiply-accumulates by the rules of the paper's tables"),
    Metric("gflops_published", "GFLOPs (paper)", "1e9", False, "the same in the unit the paper's table prints"),
    Metric("weights_mib", "weights", "MiB", False, "parameters and buffers"),
    Metric("activations_mib", "activations", "MiB", False, "most that is allocated at any time of a forward pass"),
    Metric("peak_memory_mib", "peak memory", "MiB", False, "weights and activations together"),
)
SPEED = (
    Metric("latency_ms", "latency", "ms", False, "median time of a forward pass at batch 1"),
    Metric("baseline_latency_ms", "baseline latency", "ms", False, "the same of the baseline, in the same run"),
    Metric("fps", "FPS", "1/s", True, "images a second at batch 1"),
    Metric("speedup", "speed-up", "1", True, "baseline latency over latency, pseudomedian of side-by-side ratios"),
    Metric("control", "control", "1", True, "speed-up of the baseline over itself, same run; 1 on a quiet machine"),
    Metric("runs", "runs", "1", True, "processes that the speed was measured in, one after another"),
    Metric("throughput", "throughput", "1/s", True, "images a second at the case's batch"),
    Metric("baseline_throughput", "baseline throughput", "1/s", True, "the same of the baseline, in the same run"),
    Metric("throughput_speedup", "speed-up of throughput", "1", True, "as the speed-up, at the case's batch"),
)
BOUNDS = ("_low", "_high")
"""Endings of the bounds of a quantity's 95 % interval, for those that have one."""


def quantity(name: str) -> Metric:
    """The declaration of a measured quantity; a bound has its quantity's.

    Raises:
        ValueError: Nothing of that name is measured.
    """
    known = all_quantities()
    for candidate in (name, *(name.removesuffix(bound) for bound in BOUNDS)):
        if candidate in known:
            return known[candidate]
    raise ValueError(f"quantity: '{name}' is not measured; known: {', '.join(known)}")


def all_quantities() -> dict[str, Metric]:
    """All declarations by name: every task's metrics, cost and speed."""
    accuracy = [metric for task in tasks.TASKS.names() for metric in tasks.metrics(task)]
    return {metric.name: metric for metric in (*accuracy, *COST, *SPEED)}
