"""How the page writes numbers and names."""

from __future__ import annotations

import re

from hourglass.bench.suites.case import Case
from hourglass.bench.tasks.metric import Metric


def amount(value: float | None, metric: Metric) -> str:
    """A value of a metric, with its unit."""
    if value is None:
        return "not known"
    if metric.unit == "fraction":
        return f"{100 * value:.1f} %"
    return f"{value:.3f}{'' if metric.unit == '1' else f' {metric.unit}'}"


def changed(value: float | None, before: float | None, metric: Metric) -> str:
    """By how much a value of a metric differs from another."""
    if value is None or before is None:
        return "change not known"
    in_points = metric.unit == "fraction"
    size = abs(value - before) * (100 if in_points else 1)
    number = f"{size:.{1 if in_points else 3}f}"
    unit = " points" if in_points else "" if metric.unit == "1" else f" {metric.unit}"
    if not float(number):
        return f"±{number}{unit}"
    return f"{'+' if value > before else '−'}{number}{unit}"


def loss(value: float | None, before: float | None, metric: Metric) -> float:
    """By how much a value is worse than another, in the metric's unit; below 0 if it is better, 0 if not known."""
    if value is None or before is None:
        return 0.0
    return before - value if metric.higher_is_better else value - before


def is_worse(value: float | None, before: float | None, metric: Metric) -> bool:
    """Whether a value is worse than another by so much that it can be seen in what is written."""
    return loss(value, before, metric) > 0 and not changed(value, before, metric).startswith("±")


def case_target(case: Case) -> str:
    """The anchor of a case."""
    return f"case-{case.id}"


def anchor(*names: str) -> str:
    """An anchor made of names."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", "-".join(names))


def title_of(task: str) -> str:
    """The name of a task as a heading."""
    return task.replace("-", " ").capitalize()
