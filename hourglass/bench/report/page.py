"""What the report says, from the same outcome that everything else reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from hourglass.bench.report import plots, timings, words
from hourglass.bench.report.exhibition import Galleries, exhibition
from hourglass.bench.report.fronts import charts, method_of
from hourglass.bench.report.headline import highlight
from hourglass.bench.results.outcome import Outcome
from hourglass.bench.results.records import common_provenance, rows
from hourglass.bench.results.verdict import Verdict, findings, passed
from hourglass.bench.tables.cells import setting_text
from hourglass.bench.tables.content import KEEP, Content
from hourglass.bench.tables.model import Table
from hourglass.bench.tables.render import html

BESIDE_THE_PAPER, ABLATIONS = "paper-", "ablations-"
"""What the names of tables begin with that stand in sections of their own."""
NO_GALLERIES: Galleries = {}


def render(
    outcome: Outcome, tables: Sequence[Table], galleries: Galleries = NO_GALLERIES, *, accepted: str = ""
) -> str:
    """The page as HTML: one file that loads nothing; its links lead to the measurements beside it.

    Args:
        outcome: The suite with its measurements and verdicts.
        tables: Those to print: the ones that are not about a single task first.
        galleries: Pictures of the cases.
        accepted: Where the file of accepted results is, seen from the page; without it, they are no links.
    """
    content = Content(outcome)
    shown = exhibition(content, galleries)
    experiments, measured = outcome.suite.experiments, _rows(outcome)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "template"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        task_title=words.title_of, target=words.case_target, method=method_of, setting=setting_text, table=_table
    )
    environment.globals.update(canvas=plots, ground=timings)
    return environment.get_template("page.html").render(
        suite=outcome.suite,
        passed=passed(outcome.verdicts),
        counts=Counter(verdict.status for verdict in outcome.verdicts),
        failing=[verdict for verdict in outcome.verdicts if _is_named(verdict)],
        findings=findings(verdict for verdict in outcome.verdicts if not _is_named(verdict)),
        accepted=accepted,
        left_out=outcome.left_out,
        known={case.id for case in outcome.suite.cases},
        highlights=[highlight(experiment, content, shown) for experiment in experiments],
        fronts=[(each, [plots.drawn(chart) for chart in charts(each, content)]) for each in experiments],
        timings=[(each, found) for each in experiments if (found := timings.timing(each, outcome.records))],
        shown=shown,
        tables=[table for table in tables if not table.name.startswith((BESIDE_THE_PAPER, ABLATIONS))],
        beside=[table for table in tables if table.name.startswith(BESIDE_THE_PAPER)],
        ablations=[table for table in tables if table.name.startswith(ABLATIONS)],
        cases=[(case, measured[case.id]) for case in outcome.suite.cases if case.id in measured],
        provenance=common_provenance(outcome.records),
        keep=KEEP,
    )


def _is_named(verdict: Verdict) -> bool:
    """Whether it gets a line of its own; what is missing shares one with all that is missing for the same reason."""
    return verdict.fails and verdict.status != "missing"


def _rows(outcome: Outcome) -> Mapping[str, list[Any]]:
    """What was measured, by case."""
    found: dict[str, list[Any]] = {}
    for row in rows(outcome.records):
        found.setdefault(row.case, []).append(row)
    return found


def _table(table: Table) -> Markup:
    return Markup(html(table, root="../"))
