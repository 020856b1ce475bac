"""What came of a suite: its stored measurements, and the verdicts on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from hourglass.bench.results import accepted, history, requirements
from hourglass.bench.results.judging import judge
from hourglass.bench.results.records import Record, Stored, comparable, load_all
from hourglass.bench.results.speed_change import seen_over_nights
from hourglass.bench.results.verdict import Verdict, passed
from hourglass.bench.suites.suite import Suite
from hourglass.bench.tasks.metric import Metric
from hourglass.registry import UserError


@dataclass(frozen=True)
class Outcome:
    """Everything that tables, pages and reports are made of.

    Attributes:
        suite: Its cases, in order.
        records: What was measured so far, in the suite's order.
        metrics: The metric each experiment is judged by, by its id.
        verdicts: On the records.
        left_out: Cases whose accuracy and speed cannot be measured here, with the reason.
        unreadable: Why a stored measurement is not among the records, a line for each.
        run: What the suite's history is to remember of it; None for nothing.
    """

    suite: Suite
    records: Sequence[Record]
    metrics: Mapping[str, Metric]
    verdicts: Sequence[Verdict] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    unreadable: Sequence[str] = ()
    run: history.Run | None = None

    @staticmethod
    def load(suite: Suite, *, results: Path, tables: Path, data: Path) -> Outcome:
        """Read a suite's measurements and compare them with the accepted ones.

        Args:
            suite: Which.
            results: Folder of all results.
            tables: Folder of table definitions and accepted results.
            data: Folder of all data; what is missing there may leave cases out.

        Raises:
            UserError: Nothing has been measured, or the accepted results cannot be read.
        """
        stored = measured(suite, results)
        records = stored.records
        left_out = requirements.left_out(suite, data=data, results=results)
        reference = accepted.load(tables, suite)
        cases = reference.cases if reference else None
        now = history.run_of(records, accepted.digest(reference))
        runs = _runs(results, suite, now)
        # A change that was accepted is none of these nights': they were compared with something else.
        since = history.by_case([run for run in runs if now and run.against == now.against])
        tolerance = seen_over_nights(suite.speed, history.by_case(runs[:-1]).values())
        steady = suite.model_copy(update={"speed": tolerance})
        verdicts = [
            _explained(verdict, stored)
            for verdict in judge(steady, comparable(records), cases, suite.all_metrics(), since)
            if not (verdict.case in left_out and verdict.status == "missing")
        ]
        return Outcome(suite, records, suite.metrics(), verdicts, left_out, list(stored.unreadable.values()), now)

    def summary(self) -> dict[str, Any]:
        """The verdicts as plain data, for ``verdict.json``."""
        return {
            "schema_version": 1,
            "suite": self.suite.name,
            "passed": passed(self.verdicts),
            "verdicts": [asdict(verdict) for verdict in self.verdicts],
        }


def _runs(results: Path, suite: Suite, now: history.Run | None) -> list[history.Run]:
    """The last runs on the machine of this one, this one among them."""
    if now is None:
        return []
    known = history.load(results, suite.name, now.machine)
    return known if any(run.key == now.key for run in known) else [*known, now][-history.NIGHTS :]


def measured(suite: Suite, results: Path) -> Stored:
    """What has been measured so far.

    Raises:
        UserError: Nothing has, or nothing of it can be read.
    """
    stored = load_all(results, suite)
    if not stored.records:
        folder = results / suite.name
        first = next(iter(stored.unreadable.values()), None)
        raise UserError(first or f"{folder}: holds no measurements; run `make suite SUITE={suite.name}` first")
    return stored


def _explained(verdict: Verdict, stored: Stored) -> Verdict:
    """With the reason why something is missing that was measured."""
    why = stored.unreadable.get((verdict.case, verdict.measurement))
    return replace(verdict, detail=why) if why and verdict.status == "missing" else verdict
