"""The charts of an experiment: how accurate its cases are against how fast they are, and against what they compute."""

from __future__ import annotations

from collections.abc import Sequence

from hourglass.bench.report.plots import Chart, Point
from hourglass.bench.report.words import amount, case_target, changed
from hourglass.bench.suites.case import Case
from hourglass.bench.suites.suite import Experiment
from hourglass.bench.tables.content import KEEP, Content


def charts(experiment: Experiment, content: Content) -> list[Chart]:
    """Accuracy against measured speed-up, and against executed multiply-accumulates; of one point alone, none."""
    metric = content.outcome.metrics[experiment.id]
    cases = [case for case in content.outcome.suite.cases if case.experiment == experiment.id]
    series = tuple(dict.fromkeys(map(method_of, content.outcome.suite.cases)))
    baseline = content.value(cases[0], "accuracy", metric.name)
    factor = 100 if metric.unit == "fraction" else 1
    keep = None
    if baseline is not None:
        keep = factor * (baseline * KEEP if metric.higher_is_better else baseline / KEEP)
    unit = {"fraction": " [%]", "1": ""}.get(metric.unit, f" [{metric.unit}]")
    found = []
    for title, label, more, points in (
        ("measured speed-up", "speed-up, times", True, _points(cases, content, "speed", "speedup")),
        ("work", "executed multiply-accumulates [10⁹]", False, _points(cases, content, "cost", "gmacs_executed")),
    ):
        if len(points) > 1:
            chart = Chart(
                title=f"{metric.title} against {title}",
                x=label,
                y=f"{metric.title}{unit}",
                series=series,
                points=tuple(points),
                more_x=more,
                more_y=metric.higher_is_better,
                keep=keep,
            )
            found.append(chart)
    return found


def method_of(case: Case) -> str:
    """A case's method, and its form where it is not the usual one."""
    return f"{case.method}, published form" if case.settings.get("form") == "published" else case.method


def _points(cases: Sequence[Case], content: Content, measurement: str, quantity: str) -> list[Point]:
    metric = content.outcome.metrics[cases[0].experiment]
    factor = 100 if metric.unit == "fraction" else 1
    points = []
    for case in cases:
        y = content.value(case, "accuracy", metric.name)
        itself = measurement == "speed" and case.is_baseline
        x, low, high = (
            1.0 if itself and not end else content.value(case, measurement, f"{quantity}{end}")
            for end in ("", "_low", "_high")
        )
        if x is not None and y is not None:
            point = Point(
                x=x,
                y=factor * y,
                low=low,
                high=high,
                series=method_of(case),
                label="baseline" if case.is_baseline else case.plan,
                told=_told(case, content),
                target=f"#{case_target(case)}",
            )
            points.append(point)
    return points


def _told(case: Case, content: Content) -> str:
    metric = content.outcome.metrics[case.experiment]
    name = "baseline" if case.is_baseline else f"{case.plan} ({method_of(case)})"
    value, before = content.value(case, "accuracy", metric.name), content.baseline_value(case, "accuracy", metric.name)
    parts = [f"{metric.title} {amount(value, metric)}"]
    if not case.is_baseline:
        parts.append(changed(value, before, metric))
    speedup, gmacs = content.value(case, "speed", "speedup"), content.value(case, "cost", "gmacs_executed")
    if speedup is not None:
        low, high = content.value(case, "speed", "speedup_low"), content.value(case, "speed", "speedup_high")
        spread = "" if low is None or high is None else f" [{low:.2f}, {high:.2f}]"
        parts.append(f"{speedup:.2f}{spread} times as fast")
    if gmacs is not None:
        parts.append(f"{gmacs:.2f} GMACs")
    return f"{name}: {'; '.join(parts)}"
