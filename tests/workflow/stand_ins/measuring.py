"""Stands in for `hourglass.bench.measuring`: values follow from the plan, and every call is noted in ``calls.txt``.

A plan that starts at block 9 is broken, and so are two jobs at once on one GPU; ``gpus.txt`` has the GPUs that were
used. While there is a file ``slow``, measuring takes a long time.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import hourglass
from hourglass.registry import UserError

__path__ = [f"{path}/bench/measuring" for path in hourglass.__path__]  # how a shard is written needs no stand-in


cases = sys.modules[__name__]

_COST = {"parameters": 5, "gmacs_operators": 0.0, "gmacs_published": 7.5, "gflops_published": 7.5}


def forward_pass(case: Any) -> str:
    return str(case.id)


def timed_with(case: Any) -> str:
    return str(case.experiment)


def accuracies(cases: Any, data_root: Path, *, device: str, predictions: Any) -> dict[str, Any]:
    return {case.id: _accuracy(case, data_root, device) for case in cases}


def _accuracy(case: Any, data_root: Path, device: str) -> dict[str, Any]:
    assert (data_root / case.dataset / "ready.json").is_file()
    if device == "cuda":
        _have_the_device_alone()
    if case.settings.get("start") == 9:
        raise UserError("method 'hourglass': plan.start is beyond the last block")
    return _measured(case, "accuracy", {"miou": 0.75 - 0.01 * (1 - _work(case)), "pixel_accuracy": 0.9})


def accuracy_of_shard(case: Any, data_root: Path, shard: Any, *, device: str) -> dict[str, Any]:
    if device == "cuda":
        _have_the_device_alone()
    partial = _measured(case, f"shard {shard.number}/{shard.of}", {})
    return {**partial, "state": [case.plan, shard.number], "categories": [], "samples": {"images": 1}}


def merged(task: str, partials: list[dict[str, Any]]) -> dict[str, Any]:
    plans, numbers = zip(*(partial["state"] for partial in partials), strict=True)
    assert len(set(plans)) == 1
    assert list(numbers) == list(range(1, len(partials) + 1))
    return {"values": {"miou": 0.5}, "samples": {"images": len(partials)}, "conditions": {}}


def costs(cases: Any, data_root: Path, *, device: str | None) -> dict[str, Any]:
    return {case.id: _measured(case, "cost", {**_COST, "gmacs_executed": 8 * _work(case)}) for case in cases}


def speed(cases: Any, data_root: Path, *, device: str, timing: Any) -> dict[str, Any]:
    return {case.id: _timed(case) for case in cases}


def require_provenance() -> None:
    pass


def _timed(case: Any) -> dict[str, Any]:
    speedup = 1 / _work(case)
    low, high = speedup * 0.99, speedup * 1.01
    return _measured(
        case,
        "speed",
        {
            "speedup_low": low,
            "speedup": speedup,
            "speedup_high": high,
            "control_low": 0.99,
            "control": 1.0,
            "control_high": 1.01,
            "throughput_speedup_low": low,
            "throughput_speedup": speedup,
            "throughput_speedup_high": high,
            "latency_ms": 9.5,
            "baseline_latency_ms": 9.5,
            "runs": 1,
        },
    )


def provenance(case: Any, conditions: dict[str, Any]) -> dict[str, Any]:
    known = {"commit": "c0ffee", "weights": "feed", "machine": "a processor", "precision": case.precision}
    return {**known, **conditions}


def _measured(case: Any, measurement: str, values: dict[str, Any]) -> dict[str, Any]:
    with Path("calls.txt").open("a") as calls:
        calls.write(f"{measurement} {case.plan}\n")
    if Path("slow").exists():
        time.sleep(300)
    conditions = {"device": "cpu", "threads": 1, "attention": "fused", "data": "beef"}
    return {"values": values, "samples": {}, "conditions": conditions}


def _have_the_device_alone() -> None:
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    with Path("gpus.txt").open("a") as used:
        used.write(f"{gpu}\n")
    occupied = Path(f"occupied-{gpu}")
    occupied.touch(exist_ok=False)
    time.sleep(2)
    occupied.unlink()


def _work(case: Any) -> float:
    rows, columns = case.settings.get("clusters", (32, 32))
    return rows * columns / 1024
