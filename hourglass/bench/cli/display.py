"""What a terminal, or a log, shows of a run: how far it is, what failed, and what came out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hourglass.bench.results.outcome import Outcome
from hourglass.bench.results.progress import Event, Progress
from hourglass.bench.results.state import State
from hourglass.bench.results.verdict import findings, in_numbers, passed, where
from hourglass.bench.suites.case import MEASUREMENTS
from hourglass.bench.tables.model import Table as FinishedTable
from hourglass.bench.tables.terminal import show

STYLES = {"finished": "green", "stale": "yellow", "failed": "bold red", "missing": "yellow", "left out": "dim"}


class Display:
    """Shows a run: bars that move at a terminal, a line for each event in a log.

    Args:
        console: Where to.
        progress: How far the run is; what is shown is added to it.
    """

    def __init__(self, console: Console, progress: Progress) -> None:
        self.console = console
        self.progress = progress

    @contextmanager
    def live(self) -> Iterator[None]:
        """Inside, the bars move, if this is a terminal."""
        if not self.console.is_terminal:
            yield
            return
        with Live(get_renderable=self.bars, console=self.console, refresh_per_second=4, transient=True):
            yield

    def show(self, events: Iterable[Event]) -> None:
        """Take in what happened, and say it where it is not seen in the bars."""
        for event in events:
            self.progress.add([event])
            place = f"{event.measurement} of {event.case}"
            if event.kind == "failed":
                self.say(f"failed: {place}: {event.message}", style="bold red")
            elif event.kind == "finished" and not self.console.is_terminal:
                self.say(f"{place}; {self.progress.in_words(time.time())}")

    def say(self, text: str, style: str = "") -> None:
        """One line that stays."""
        self.console.print(Text(text, style=style))

    def bars(self) -> Group:
        """A bar for each kind of measurement, what is running, and how long it will take."""
        grid = Table.grid(padding=(0, 2))
        for measurement, due in self.progress.due.items():
            over = self.progress.over(measurement)
            running = [case for kind, case in self.progress.running if kind == measurement]
            more = f" and {len(running) - 1} more" if running[1:] else ""
            bar = ProgressBar(total=due, completed=over, width=30)
            grid.add_row(measurement, bar, f"{over}/{due}", Text(f"{running[0]}{more}" if running else "", style="dim"))
        return Group(grid, Text(self.progress.in_words(time.time())))


def show_states(console: Console, found: Sequence[State]) -> None:
    """The state of every measurement, and why some are not finished."""
    by_case: dict[str, dict[str, State]] = {}
    reasons: dict[str, list[str]] = {}
    for state in found:
        by_case.setdefault(state.case.id, {})[state.measurement] = state
        if state.reason:
            reasons.setdefault(f"{state.status}: {state.reason}", []).append(f"{state.case.id}: {state.measurement}")
    longest = max(map(len, by_case))
    console.print(Text("  ".join(["case".ljust(longest), *(kind.ljust(8) for kind in MEASUREMENTS)])))
    for case, measured in by_case.items():
        statuses = [measured[kind].status if kind in measured else "" for kind in MEASUREMENTS]
        cells = [Text(status.ljust(8), style=STYLES.get(status, "")) for status in statuses]
        console.print(Text("  ").join([Text(case.ljust(longest)), *cells]))
    for reason, places in reasons.items():
        console.print(Text(f"{where(places)}: {reason}"))


def show_outcome(console: Console, outcome: Outcome, headlines: Iterable[FinishedTable]) -> None:
    """The headline, everything that is no plain pass, and the verdict."""
    for table in headlines:
        show(table)
    for status, detail, places in findings(outcome.verdicts):
        console.print(Text(f"{status}: {where(places)}: {detail}"))
    did_pass = passed(outcome.verdicts)
    verdict = f"verdict: {'passed' if did_pass else 'failed'} ({in_numbers(outcome.verdicts)})"
    console.print(Text(verdict, style="bold green" if did_pass else "bold red"))
