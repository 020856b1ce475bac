"""Commands that say how far a suite is: what is there, and how a run of it gets on."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hourglass.bench.cli.options import (
    DATA,
    RESULTS,
    TABLES,
    DataOption,
    DeviceOption,
    ResultsOption,
    SuiteArgument,
    TablesOption,
    load_outcome,
    tables_folder,
)
from hourglass.registry import UserError

if TYPE_CHECKING:
    from hourglass.bench.cli.display import Display

POLL = 0.3
"""Seconds between two looks at what has happened."""
TAIL = 20
"""Lines of a log that are shown when something fails."""


def status(
    suite: SuiteArgument, device: DeviceOption = "cpu", data: DataOption = DATA, results: ResultsOption = RESULTS
) -> None:
    """Say which measurements of a suite are finished, stale, failed, missing or left out."""
    from rich.console import Console

    from hourglass.bench.cli.display import show_states
    from hourglass.bench.results.state import in_numbers, states
    from hourglass.bench.suites.suite import Suite

    found = states(Suite.read(suite), results=results, data=data, device=device)
    show_states(Console(soft_wrap=True), found)
    print(in_numbers(found))


def watch(
    suite: SuiteArgument,
    command: Annotated[list[str], typer.Argument(help="The command that runs the suite, behind `--`.")],
    device: DeviceOption = "cpu",
    data: DataOption = DATA,
    results: ResultsOption = RESULTS,
    tables: TablesOption = TABLES,
) -> None:
    """Run a suite by a command, show how far it is, and say at the end what came out."""
    from rich.console import Console

    from hourglass.bench.cli.display import Display
    from hourglass.bench.results.progress import Journal, Progress, due
    from hourglass.bench.results.state import states
    from hourglass.bench.suites.suite import Suite

    loaded = Suite.read(suite)
    found = states(loaded, results=results, data=data, device=device)
    journal = Journal(results, loaded.name)
    display = Display(Console(soft_wrap=True, highlight=False), Progress(due(found), time.time()))
    log = results / "run.log"
    with _running(command, log) as run, display.live():
        while run.poll() is None:
            display.show(journal.news())
            time.sleep(POLL)
        display.show(journal.news())
    _conclude(display, run.returncode, log, suite, results, tables, data)


def _conclude(display: Display, code: int, log: Path, suite: str, results: Path, tables: Path, data: Path) -> None:
    """Say what failed, what came out, and where it is."""
    from hourglass.bench.cli.display import show_outcome
    from hourglass.bench.results.verdict import passed
    from hourglass.bench.suites.suite import Suite
    from hourglass.bench.tables.build import build
    from hourglass.bench.tables.content import Content
    from hourglass.bench.tables.definition import load_all

    folder = results / Suite.read(suite).name
    explained = bool(display.progress.failed)
    try:
        outcome = load_outcome(suite, results, tables, data)
        definitions = load_all(tables_folder(tables), outcome.suite)
        content = Content(outcome)
        headlines = [build(name, each, content) for name, each in definitions.items() if each.rows == "fastest"]
        show_outcome(display.console, outcome, headlines)
        explained = explained or not passed(outcome.verdicts)
    except UserError as error:
        display.say(f"hourglass: {error}")
    if (folder / "report.html").is_file():
        display.say(f"report: {folder / 'report.html'}")
    if code and not explained:
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL:]:
            display.say(line)
    if code:
        display.say(f"the run failed; its logs: {folder / 'logs'}, {log}", style="bold red")
        raise typer.Exit(1)


@contextmanager
def _running(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A command whose output goes into a file, and which ends when this process is told to end."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        run = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    before = signal.signal(signal.SIGTERM, lambda *_: run.terminate())
    try:
        yield run
    except KeyboardInterrupt:  # the terminal has told the command, too
        run.wait()
        raise typer.Exit(130) from None
    finally:
        signal.signal(signal.SIGTERM, before)
