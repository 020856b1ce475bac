"""What the report says, from the same outcome that everything else reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from hourglass.bench.report.figures import Panel, Point, svg
from hourglass.bench.results.outcome import Outcome
from hourglass.bench.results.records import common_provenance
from hourglass.bench.results.verdict import findings, passed
from hourglass.bench.suites.suite import Case, Experiment
from hourglass.bench.tables.content import KEEP, Content
from hourglass.bench.tables.model import Table
from hourglass.bench.tables.render import html

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


def render(outcome: Outcome, tables: Sequence[Table]) -> str:
    """The page as HTML.

    Args:
        outcome: The suite with its measurements and verdicts.
        tables: Those to print: the ones that are not about a single task first.
    """
    content = Content(outcome)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html").render(
        suite=outcome.suite,
        passed=passed(outcome.verdicts),
        counts=Counter(verdict.status for verdict in outcome.verdicts),
        findings=findings(outcome.verdicts),
        highlights=[_highlight(experiment, content) for experiment in outcome.suite.experiments],
        figures=[(experiment, Markup(_figure(experiment, content))) for experiment in outcome.suite.experiments],
        tables=[Markup(html(table)) for table in tables],
        provenance=common_provenance(outcome.records),
        keep=KEEP,
    )


def _highlight(experiment: Experiment, content: Content) -> Highlight:
    metric = content.outcome.metrics[experiment.id]
    case = content.fastest_that_keeps(KEEP, experiment.id)
    if case is None:
        return Highlight(experiment.task, experiment.model, experiment.dataset, "", None, None, metric.title)
    speedup, kept = content.value(case, "speed", "speedup"), content.accuracy_kept(case)
    return Highlight(experiment.task, experiment.model, experiment.dataset, case.plan, speedup, kept, metric.title)


def _figure(experiment: Experiment, content: Content) -> str:
    metric = content.outcome.metrics[experiment.id]
    cases = [case for case in content.outcome.suite.cases if case.experiment == experiment.id]
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
