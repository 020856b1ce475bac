"""Commands that make something of a suite's measurements: tables, pages, a verdict.

Each starts from the stored measurements, and none needs another to have run before.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from hourglass.bench.cli.options import (
    DATA,
    RESULTS,
    TABLES,
    DataOption,
    ResultsOption,
    SuiteArgument,
    TablesOption,
    load_outcome,
    tables_folder,
)
from hourglass.registry import UserError

if TYPE_CHECKING:
    from hourglass.bench.results.outcome import Outcome
    from hourglass.bench.tables.model import Table


def export(suite: SuiteArgument, results: ResultsOption = RESULTS) -> None:
    """Export a suite's measurements as one tidy CSV file."""
    from hourglass.bench.results.outcome import measured
    from hourglass.bench.results.records import rows, to_csv
    from hourglass.bench.storage.files import write_text
    from hourglass.bench.suites.suite import Suite

    loaded = Suite.read(suite)
    path = results / loaded.name / "results.csv"
    stored = measured(loaded, results)
    _tell(stored.unreadable.values())
    write_text(path, to_csv(rows(stored.records)))
    print(path)


def write_tables(
    suite: SuiteArgument, results: ResultsOption = RESULTS, tables: TablesOption = TABLES, data: DataOption = DATA
) -> None:
    """Write a suite's tables as Markdown, LaTeX, CSV and HTML; print those that stand beside published ones."""
    from hourglass.bench.storage.files import write_text
    from hourglass.bench.tables.definition import load_all
    from hourglass.bench.tables.render import FORMATS
    from hourglass.bench.tables.terminal import show

    outcome = load_outcome(suite, results, tables, data)
    _tell(outcome.unreadable)
    folder = results / outcome.suite.name / "tables"
    definitions = load_all(tables_folder(tables), outcome.suite)
    for table in _tables(outcome, tables):
        for ending, render in FORMATS.items():
            write_text(folder / f"{table.name}.{ending}", render(table))
        if definitions[table.name].rows == "published":
            show(table)
    print(folder)


def report(
    suite: SuiteArgument, results: ResultsOption = RESULTS, tables: TablesOption = TABLES, data: DataOption = DATA
) -> None:
    """Write one self-contained HTML page about a suite's results."""
    from hourglass.bench.report.page import render
    from hourglass.bench.results import accepted, gallery
    from hourglass.bench.storage.files import write_text

    outcome = load_outcome(suite, results, tables, data)
    _tell(outcome.unreadable)
    galleries = {case.id: gallery.load(results, case) for case in outcome.suite.cases if case.scored}
    path = results / outcome.suite.name / "report.html"
    shown = [*_tables(outcome, tables), *_ablations(outcome, results, tables, data)]
    stored = accepted.path_of(tables_folder(tables), outcome.suite)
    link = quote(os.path.relpath(stored, path.parent)) if stored.is_file() else ""
    write_text(path, render(outcome, shown, galleries, accepted=link))
    print(path)


def verdict(
    suite: SuiteArgument, results: ResultsOption = RESULTS, tables: TablesOption = TABLES, data: DataOption = DATA
) -> None:
    """Compare a suite's measurements with the accepted ones and store what is found; a regression does not fail."""
    from hourglass.bench.results import history
    from hourglass.bench.storage.files import write_json

    outcome = load_outcome(suite, results, tables, data)
    if outcome.run:
        history.append(results, outcome.suite.name, outcome.run)
    write_json(results / outcome.suite.name / "verdict.json", outcome.summary())
    _print_verdicts(outcome)


def check(
    suite: SuiteArgument, results: ResultsOption = RESULTS, tables: TablesOption = TABLES, data: DataOption = DATA
) -> None:
    """Compare a suite's measurements with the accepted ones, and fail if anything regressed or is missing."""
    from hourglass.bench.results.verdict import passed

    outcome = load_outcome(suite, results, tables, data)
    _print_verdicts(outcome)
    if not passed(outcome.verdicts):
        raise typer.Exit(1)


def accept(
    suite: SuiteArgument,
    reason: Annotated[str, typer.Option(help="Why these results are right.")],
    results: ResultsOption = RESULTS,
    tables: TablesOption = TABLES,
    data: DataOption = DATA,
) -> None:
    """Make a suite's results the ones that later results are compared with, and show what that changes."""
    from hourglass.bench.results import accepted, requirements
    from hourglass.bench.results.outcome import measured
    from hourglass.bench.suites.suite import Suite

    loaded = Suite.read(suite)
    stored = measured(loaded, results)
    for why in stored.unreadable.values():
        raise UserError(why)
    left_out = requirements.left_out(loaded, data=data, results=results)
    print(requirements.in_short(left_out), end="")
    print(accepted.accept(tables_folder(tables), loaded, stored.records, reason, left_out.keys()), end="")


def annotate(
    suite: SuiteArgument,
    results: ResultsOption = RESULTS,
    tables: TablesOption = TABLES,
    data: DataOption = DATA,
    summary: Annotated[
        Path | None, typer.Option(envvar="GITHUB_STEP_SUMMARY", help="File to append a summary in Markdown to.")
    ] = None,
) -> None:
    """Print a suite's verdict as annotations of GitHub Actions."""
    from hourglass.bench.report import github
    from hourglass.bench.tables.render import markdown

    outcome = load_outcome(suite, results, tables, data)
    if summary is not None:
        texts = [markdown(table) for table in _tables(outcome, tables)]
        with summary.open("a", encoding="utf-8") as file:
            file.write(github.summary(outcome.suite.title, outcome.verdicts, texts))
    print("\n".join(github.commands(outcome.verdicts)))


def track(
    suite: SuiteArgument,
    results: ResultsOption = RESULTS,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the service.")] = 300,
) -> None:
    """Send a suite's results to Weights & Biases. A service that does not answer fails nothing."""
    from hourglass.bench.results.outcome import measured
    from hourglass.bench.storage.files import write_json
    from hourglass.bench.suites.suite import Suite
    from hourglass.bench.tracking.runs import runs
    from hourglass.bench.tracking.track import track as send

    loaded = Suite.read(suite)
    folder = results / loaded.name
    stored = measured(loaded, results)
    _tell(stored.unreadable.values())
    message = send(runs(stored.records, results), folder / "tracking", timeout=timeout)
    write_json(folder / "tracking.json", {"outcome": message})
    print(message)


def wandb_report(
    suite: SuiteArgument, results: ResultsOption = RESULTS, tables: TablesOption = TABLES, data: DataOption = DATA
) -> None:
    """Publish a report on a suite's runs in Weights & Biases; without a login, print what it would say."""
    from hourglass.bench.tables.render import markdown
    from hourglass.bench.tracking import report as reports

    outcome = load_outcome(suite, results, tables, data)
    composed = reports.compose(outcome, [markdown(table) for table in _tables(outcome, tables)])
    if reports.logged_in():
        print(reports.publish(composed))
    else:
        print(f"{reports.as_text(composed)}\n\nnot published: run `wandb login` or set WANDB_API_KEY")


def _tables(outcome: Outcome, tables: Path) -> list[Table]:
    from hourglass.bench.tables.build import build
    from hourglass.bench.tables.content import Content
    from hourglass.bench.tables.definition import load_all

    content = Content(outcome)
    definitions = load_all(tables_folder(tables), outcome.suite)
    return [build(name, definition, content) for name, definition in definitions.items()]


def _ablations(outcome: Outcome, results: Path, tables: Path, data: Path) -> list[Table]:
    """The tables of the suite that varies the method, if it has run here and is not itself what is reported."""
    from hourglass.bench.suites import suite as suites

    name = "ablations"
    if outcome.suite.name == name or name not in suites.names() or not (results / name).is_dir():
        return []
    try:
        made = _tables(load_outcome(name, results, tables, data), tables)
        return [table for table in made if table.name.startswith(name)]
    except UserError:  # nothing of it is measured, or it has changed since
        return []


def _tell(unreadable: Iterable[str]) -> None:
    """Say which measurements are left out."""
    for why in unreadable:
        print(f"hourglass: {why}", file=sys.stderr)


def _print_verdicts(outcome: Outcome) -> None:
    from hourglass.bench.results.requirements import in_short
    from hourglass.bench.results.verdict import findings, in_numbers, where

    print(in_short(outcome.left_out), end="")
    for status, detail, places in findings(outcome.verdicts):
        print(f"{status}: {where(places)}: {detail}")
    print(in_numbers(outcome.verdicts))
