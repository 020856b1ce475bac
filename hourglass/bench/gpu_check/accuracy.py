"""Whether the device predicts what the CPU predicts: metrics of the embedded suite in every precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from hourglass.bench import datasets
from hourglass.bench.measuring import cases as measuring
from hourglass.bench.suites.case import Case
from hourglass.bench.suites.suite import Experiment, Suite

TOLERANCES = {"float32": 0.002, "float16": 0.01, "bfloat16": 0.02}
"""How far a metric may be from the CPU's in float32, in its own unit. float32 differs by the order of sums alone."""
PLANS = ("full", "strong", "residual-strong")


def experiments() -> tuple[Experiment, ...]:
    """Those of the embedded suite."""
    return Suite.read("embedded").experiments


def agreement(experiment: Experiment, device: torch.device, data: Path, *, images: int) -> dict[str, Any]:
    """The experiment's metric of its baseline and of a strong plan of each form, on the CPU and on the device.

    Args:
        experiment: Of a suite.
        device: Where.
        data: Folder of all data; what is missing is rendered.
        images: How many.
    """
    datasets.prepare(experiment.dataset, root=data)
    suite = Suite.read("embedded")
    chosen = [case for case in suite.cases if suite.experiment(case) == experiment and case.plan in PLANS]
    rows = [_row(case, suite.metrics()[case.experiment].name, device, data, images) for case in chosen]
    return {"rows": rows, "tolerances": TOLERANCES, "images": images, "agrees": all(row["agrees"] for row in rows)}


def _row(case: Case, metric: str, device: torch.device, data: Path, images: int) -> dict[str, Any]:
    reference = _value(case, metric, "cpu", "float32", data, images)
    found = {precision: _value(case, metric, str(device), precision, data, images) for precision in TOLERANCES}
    agrees = all(abs(value - reference) <= TOLERANCES[precision] for precision, value in found.items())
    return {"case": case.id, "metric": metric, "cpu": reference, **found, "agrees": agrees}


def _value(case: Case, metric: str, device: str, precision: str, data: Path, images: int) -> float:
    changed = case.model_copy(update={"precision": precision, "images": images})
    tensor_cores = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False  # PyTorch's default would round what convolutions multiply to 10 bits
    try:
        value = measuring.accuracy(changed, data, device=device)["values"][metric]
    finally:
        torch.backends.cudnn.allow_tf32 = tensor_cores
    return float("nan") if value is None else float(value)
