"""A report in Weights & Biases about a suite's runs: what it says, in plain data, and its publication."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hourglass.bench.results.outcome import Outcome
from hourglass.bench.results.verdict import Verdict, findings, in_numbers, passed, where
from hourglass.bench.suites.suite import Experiment
from hourglass.bench.tasks.metric import Metric
from hourglass.bench.tracking.mode import mode
from hourglass.bench.tracking.runs import Run
from hourglass.bench.tracking.runs import runs as tracked
from hourglass.bench.wording import counted
from hourglass.registry import UserError

COSTS = {"cost/gmacs_executed": "GMACs executed", "speed/speedup": "measured speed-up"}
TIME = "measured_at"
"""Key of the moment, in the history of runs."""


@dataclass(frozen=True)
class Chart:
    """Runs as points in a plane or, over time, as curves.

    Attributes:
        x: A key of the runs' summaries; `TIME` for curves of their histories.
        y: As x.
        runs: Ids.
    """

    title: str
    x: str
    y: str
    runs: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """What is published, part by part: Markdown or a chart."""

    title: str
    description: str
    parts: tuple[str | Chart, ...]


def compose(outcome: Outcome, tables: Sequence[str]) -> Report:
    """The report on a suite: verdict, first table, each experiment's accuracy against cost and over time, other tables.

    Args:
        outcome: Of the suite.
        tables: In Markdown, the headline first.
    """
    suite, verdicts, runs = outcome.suite, outcome.verdicts, tracked(outcome.records)
    commits = {str(entry.get("commit")) for run in runs for entry in run.config["provenance"].values()}
    charts = [chart for each in suite.experiments for chart in _charts(each, outcome.metrics[each.id], runs)]
    return Report(
        title=suite.title,
        description=f"suite {suite.name}, version {suite.version}; commit {', '.join(sorted(commits))}",
        parts=(
            _verdict(verdicts),
            *tables[:1],
            *charts,
            *tables[1:],
        ),
    )


def as_text(report: Report) -> str:
    """The report as it is printed where it cannot be published."""
    parts = [part if isinstance(part, str) else _in_words(part) for part in report.parts]
    return "\n\n".join([f"# {report.title}", report.description, *(part.strip() for part in parts)])


def logged_in() -> bool:
    """Whether Weights & Biases would be reached: there is a key, and `WANDB_MODE` is not offline.

    Raises:
        UserError: `WANDB_MODE` is none of those that there are.
    """
    asked = mode()
    import wandb

    return asked not in ("offline", "disabled") and bool(wandb.login(prompt=False, verify=False))


def publish(report: Report) -> str:
    """Publish a report in the project that the runs are in; its address.

    Raises:
        UserError: The extra ``reports`` is not installed, or the service did not take it.
    """
    try:
        import wandb
        import wandb_workspaces.reports.v2 as reports
    except ModuleNotFoundError as error:
        raise UserError(f"{error.name}: is not installed; run `pip install -e '.[bench,reports]'`") from None
    project = os.environ.get("WANDB_PROJECT", "hourglass")
    try:
        entity = os.environ.get("WANDB_ENTITY") or wandb.Api().default_entity
        blocks = [_block(part, entity, project) for part in report.parts]
        # Titles of more than 128 characters are refused.
        page = reports.Report(
            project=project, entity=entity, title=report.title[:128], description=report.description, blocks=blocks
        )
        return str(page.save().url)
    except Exception as error:  # whatever the service and its client come up with
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"Weights & Biases: {reason}; not published; `hourglass track` makes its project") from error


def _verdict(verdicts: Sequence[Verdict]) -> str:
    lines = [f"- {status}: {where(places)}: {detail}" for status, detail, places in findings(verdicts)]
    return "\n".join([f"**{'Passed' if passed(verdicts) else 'Failed'}**: {in_numbers(verdicts)}", "", *lines]).strip()


def _charts(experiment: Experiment, metric: Metric, runs: Sequence[Run]) -> Iterator[Chart]:
    y = f"accuracy/{metric.name}"
    for x, label in COSTS.items():
        drawn = tuple(
            run.id for run in runs if run.name.startswith(f"{experiment.id}.") and {x, y} <= run.summary.keys()
        )
        if drawn:
            yield Chart(f"{experiment.model} on {experiment.dataset}: {metric.title} against {label}", x, y, drawn)
    for key, label in ((y, metric.title), ("speed/speedup", "measured speed-up")):
        drawn = tuple(run.id for run in runs if run.name.startswith(f"{experiment.id}.") and key in run.summary)
        if drawn:
            yield Chart(f"{experiment.model} on {experiment.dataset}: {label} over time", TIME, key, drawn)


def _in_words(chart: Chart) -> str:
    return f"[chart] {chart.title} ({chart.y} against {chart.x}, {counted(len(chart.runs), one='run')})"


def _block(part: str | Chart, entity: str, project: str) -> Any:
    import wandb_workspaces.expr as expr
    import wandb_workspaces.reports.v2 as reports

    if isinstance(part, str):
        return reports.MarkdownBlock(text=part)
    runset = reports.Runset(
        entity=entity, project=project, name=part.title, filters=expr.And(expr.Metric("ID").isin(list(part.runs)))
    )
    if part.x == TIME:
        plot: Any = reports.LinePlot(title=part.title, x=part.x, y=[part.y])
    else:
        plot = reports.ScatterPlot(title=part.title, x=reports.SummaryMetric(part.x), y=reports.SummaryMetric(part.y))
    return reports.PanelGrid(runsets=[runset], panels=[plot])
