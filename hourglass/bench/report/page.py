"""What the report says, from the same table that everything else reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from hourglass.bench.report.figures import Panel, Point, svg
from hourglass.bench.results.verdict import findings, passed
from hourglass.bench.suites.suite import Case, Experiment
from hourglass.bench.tables.content import Content, fastest_that_keeps
from hourglass.bench.tables.model import Table
from hourglass.bench.tables.render import html

KEEP = 0.99
"""Share of the baseline's accuracy that the headline asks for."""

COSTS = (("cost", "gmacs_executed", "GMACs executed"), ("speed", "latency_ms", "latency [ms]"))


@dataclass(frozen=True)
class Highlight:
    """The headline of one experiment."""

    task: str
    model: str
    dataset: str
    plan: str
    speedup: float | None
    kept: float | None
    metric: str


def render(content: Content, tables: Sequence[Table], provenance: Mapping[str, Any]) -> str:
    """The page as HTML.

    Args:
        content: The suite with its measurements and verdicts.
        tables: Those to print: the ones that are not about a single task first.
        provenance: What is the same for all measurements, to be printed as it is.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    verdicts = list(content.verdicts)
    return environment.get_template("page.html").render(
        suite=content.suite,
        passed=passed(verdicts),
        counts=Counter(verdict.status for verdict in verdicts),
        findings=findings(verdicts),
        highlights=[_highlight(experiment, content) for experiment in content.suite.experiments],
        figures=[(experiment, Markup(_figure(experiment, content))) for experiment in content.suite.experiments],
        tables=[Markup(html(table)) for table in tables],
        provenance=provenance,
        keep=KEEP,
    )


def _highlight(experiment: Experiment, content: Content) -> Highlight:
    metric = content.metrics[experiment.id]
    case = fastest_that_keeps(KEEP, experiment.id, content)
    if case is None:
        return Highlight(experiment.task, experiment.model, experiment.dataset, "", None, None, metric.title)
    speedup, kept = content.value(case, "speed", "speedup"), content.accuracy_kept(case)
    return Highlight(experiment.task, experiment.model, experiment.dataset, case.plan, speedup, kept, metric.title)


def _figure(experiment: Experiment, content: Content) -> str:
    metric = content.metrics[experiment.id]
    cases = [case for case in content.suite.cases if case.experiment == experiment.id]
    baseline = content.value(cases[0], "accuracy", metric.name)
    keep = None
    if baseline is not None:
        keep = baseline * KEEP if metric.higher_is_better else baseline / KEEP
    return svg(
        [
            Panel(label, metric.title, tuple(_points(cases, metric.name, measurement, quantity, content)), keep)
            for measurement, quantity, label in COSTS
        ]
    )


def _points(cases: Sequence[Case], metric: str, measurement: str, quantity: str, content: Content) -> list[Point]:
    points = []
    for case in cases:
        cost = content.value(case, measurement, quantity)
        accuracy = content.value(case, "accuracy", metric)
        if cost is not None and accuracy is not None:
            points.append(Point("baseline" if case.is_baseline else case.plan, case.is_baseline, cost, accuracy))
    return points
