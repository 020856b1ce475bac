"""A small suite and measurements of it that no machine made: exact, and the same everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from hourglass.bench.results.records import Record, record
from hourglass.bench.suites.case import Case
from hourglass.bench.suites.suite import Suite

SUITE = """\
name: example
version: 1
title: An example
experiments:
  - task: semantic-segmentation
    model: segmenter-scenes
    dataset: scenes
    accuracy: { metric: miou, floor: 0.70, tolerance: 0.002 }
    methods:
      hourglass:
        mild: { start: 6, clusters: [24, 24] }
        strong: { start: 3, clusters: [16, 16] }
  - task: depth-estimation
    model: dpt-scenes
    dataset: scenes
    accuracy: { metric: delta1, floor: 0.90, tolerance: 0.002 }
    methods:
      hourglass:
        mild: { start: 6, clusters: [24, 24] }
"""
PROVENANCE = {
    "commit": "c0ffee",
    "device": "cpu",
    "precision": "float32",
    "attention": "fused",
    "protocol": None,
    "weights": "feed",
    "data": "beef",
    "machine": "a processor",
    "threads": 2,
}
# Share of the baseline's work that is left, and of its accuracy.
LEFT = {"full": (1.0, 1.0), "mild": (0.75, 0.996), "strong": (0.5, 0.98)}


@pytest.fixture
def suite_text() -> str:
    return SUITE


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    path = tmp_path / "example.yaml"
    path.write_text(SUITE)
    return Suite.read(path)


@pytest.fixture
def records(suite: Suite) -> list[Record]:
    return [record for case in suite.cases for record in measure(case)]


def measure(case: Case) -> list[Record]:
    work, quality = LEFT[case.plan]
    semantic = {"miou": 0.75 * quality, "pixel_accuracy": 0.9 * quality, "class_accuracy": None}
    depth = {"rmse_m": 1.5 / quality, "absrel": 0.1 / quality, "delta1": 0.95 * quality}
    speed = {
        "latency_ms": 200.0 * work,
        "baseline_latency_ms": 200.0,
        "throughput": 5 / work,
        "baseline_throughput": 5.0,
        **interval("speedup", 1 / work),
        **interval("throughput_speedup", 1 / work),
        **interval("control", 1.001),
        "runs": 1,
    }
    cost = {
        "gflops_published": 8 * work,
        "gmacs_published": 8 * work,
        "gmacs_executed": 8.4 * work,
        "gmacs_operators": 0.4 * (1 - work),
        "parameters": 5_700_000,
    }
    values = {"accuracy": semantic if case.task.startswith("semantic") else depth, "cost": cost, "speed": speed}
    return [record(measurement, case, values[measurement], {}, PROVENANCE) for measurement in case.measurements]


def interval(name: str, value: float, width: float = 0.01) -> dict[str, float]:
    return {f"{name}_low": value * (1 - width), name: value, f"{name}_high": value * (1 + width)}
