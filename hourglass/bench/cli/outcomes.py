"""Commands that make something of a suite's measurements: tables, pages, a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hourglass.bench.cli.options import (
    DATA,
    RESULTS,
    TABLES,
    DataOption,
    ResultsOption,
    SuiteArgument,
    TablesOption,
    open_stages,
)

if TYPE_CHECKING:
    from hourglass.bench.results.verdict import Verdict


def collect(suite: SuiteArgument, results: ResultsOption = RESULTS) -> None:
    """Gather a suite's measurements into one tidy table."""
    print(open_stages(suite, results).collect())


def write_tables(suite: SuiteArgument, results: ResultsOption = RESULTS, tables: TablesOption = TABLES) -> None:
    """Write a suite's tables as Markdown, LaTeX, CSV and HTML; print those that stand beside published ones."""
    from hourglass.bench.tables.terminal import show

    stages = open_stages(suite, results, tables)
    for table in stages.tabulate():
        show(table)
    print(stages.folder / "tables")


def report(suite: SuiteArgument, results: ResultsOption = RESULTS, tables: TablesOption = TABLES) -> None:
    """Write one self-contained HTML page about a suite's results."""
    print(open_stages(suite, results, tables).report())


def verdict(
    suite: SuiteArgument, results: ResultsOption = RESULTS, tables: TablesOption = TABLES, data: DataOption = DATA
) -> None:
    """As `check`, but write down what is found and do not fail by it."""
    _print_verdicts(open_stages(suite, results, tables, data).write_verdict())


def check(
    suite: SuiteArgument, results: ResultsOption = RESULTS, tables: TablesOption = TABLES, data: DataOption = DATA
) -> None:
    """Compare a suite's measurements with the accepted ones, and fail if anything regressed or is missing."""
    from hourglass.bench.results.verdict import passed

    verdicts = open_stages(suite, results, tables, data).judge()
    _print_verdicts(verdicts)
    if not passed(verdicts):
        raise typer.Exit(1)


def accept(
    suite: SuiteArgument,
    reason: Annotated[str, typer.Option(help="Why these results are right.")],
    results: ResultsOption = RESULTS,
    tables: TablesOption = TABLES,
    data: DataOption = DATA,
) -> None:
    """Make a suite's results the ones that later results are compared with, and show what that changes."""
    print(open_stages(suite, results, tables, data).accept(reason), end="")


def annotate(
    suite: SuiteArgument,
    results: ResultsOption = RESULTS,
    tables: TablesOption = TABLES,
    summary: Annotated[
        Path | None, typer.Option(envvar="GITHUB_STEP_SUMMARY", help="File to append a summary in Markdown to.")
    ] = None,
) -> None:
    """Print a suite's verdict as annotations of GitHub Actions."""
    stages = open_stages(suite, results, tables)
    annotations, text = stages.annotate()
    if summary is not None:
        with summary.open("a", encoding="utf-8") as file:
            file.write(text)
    print("\n".join(annotations))


def track(
    suite: SuiteArgument,
    results: ResultsOption = RESULTS,
    timeout: Annotated[float, typer.Option(help="Seconds after which it is given up.")] = 300,
) -> None:
    """Hand a suite's results to Weights & Biases, which may fail without failing anything."""
    print(open_stages(suite, results).track(timeout))


def wandb_report(suite: SuiteArgument, results: ResultsOption = RESULTS, tables: TablesOption = TABLES) -> None:
    """Publish a report on a suite's runs in Weights & Biases; without a login, print what it would say."""
    print(open_stages(suite, results, tables).wandb_report())


def _print_verdicts(verdicts: Sequence[Verdict]) -> None:
    from hourglass.bench.results.verdict import findings, in_numbers, where

    for status, detail, places in findings(verdicts):
        print(f"{status}: {where(places)}: {detail}")
    print(in_numbers(verdicts))
