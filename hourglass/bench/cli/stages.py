"""What happens to a suite's measurements: each stage reads files, calls pure functions, and writes files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from hourglass.bench.results import accepted as references
from hourglass.bench.results import records as stored
from hourglass.bench.results.verdict import Verdict, judge, passed
from hourglass.bench.storage.files import write_json, write_text
from hourglass.bench.suites.suite import Case, Suite
from hourglass.registry import UserError

if TYPE_CHECKING:
    from hourglass.bench.tables.content import Content
    from hourglass.bench.tables.model import Table
    from hourglass.bench.tasks import Metric

T = TypeVar("T")


@dataclass(frozen=True)
class Stages:
    """The stages of one suite.

    Attributes:
        suite: Which.
        results: Folder of all results.
        tables: Folder of table definitions and accepted results.
        left_out: Cases whose accuracy and speed need not be there, with the reason.
    """

    suite: Suite
    results: Path
    tables: Path
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where this suite's results lie."""
        return self.results / self.suite.name

    @cached_property
    def records(self) -> list[stored.Record]:
        """What has been measured so far.

        Raises:
            UserError: Nothing has, or a file is damaged.
        """
        found = stored.collect(self.results, self.suite)
        if not found:
            raise UserError(f"{self.folder}: holds no measurements; run `make suite SUITE={self.suite.name}` first")
        return found

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """The metric each experiment is judged by."""
        return self.suite.metrics()

    def collect(self) -> Path:
        """Write the tidy table."""
        path = self.folder / "results.csv"
        write_text(path, stored.to_csv(stored.rows(self.records)))
        return path

    def judge(self) -> list[Verdict]:
        """Compare what was measured with what was accepted."""
        accepted = references.load(self.tables, self.suite)
        measured = stored.measured(self.records)
        verdicts = judge(self.suite, measured, accepted.cases if accepted else None, self.metrics)
        return [said for said in verdicts if not (said.case in self.left_out and said.status == "missing")]

    def write_verdict(self) -> list[Verdict]:
        """As `judge`, and write ``verdict.json``."""
        verdicts = self.judge()
        write_json(
            self.folder / "verdict.json",
            {
                "schema_version": 1,
                "suite": self.suite.name,
                "passed": passed(verdicts),
                "verdicts": [asdict(verdict) for verdict in verdicts],
            },
        )
        return verdicts

    def count(self) -> int:
        """Count what every case computes that has not been counted; how many there were."""
        from rich.console import Console
        from rich.progress import track

        from hourglass.bench import measuring

        left = [case for case in self.suite.cases if not self._is_counted(case)]
        for case in track(left, "counting", console=Console(stderr=True), disable=not left):
            counted = measuring.cost(case)
            provenance = measuring.provenance(case, counted["conditions"])
            stored.save(self.results, stored.record("cost", case, counted["values"], counted["samples"], provenance))
        return len(left)

    def tabulate(self) -> list[Table]:
        """Write every table in every format; those that stand beside published ones.

        If there is no tidy table yet, a suite with published tables makes its own, of costs alone if need be.
        """
        from hourglass.bench.tables.definition import load_all
        from hourglass.bench.tables.render import FORMATS

        if any(e.published for e in self.suite.experiments) and not (self.folder / "results.csv").exists():
            self.count()
            self.collect()
            self.write_verdict()
        tables = self._tables(self._content())
        for table in tables:
            for ending, render in FORMATS.items():
                write_text(self.folder / "tables" / f"{table.name}.{ending}", render(table))
        definitions = load_all(self.tables, self.suite)
        return [table for table in tables if definitions[table.name].rows == "published"]

    def report(self) -> Path:
        """Write the page."""
        from hourglass.bench.report.page import render

        content = self._content()
        path = self.folder / "report.html"
        write_text(path, render(content, self._tables(content), stored.common_provenance(self.records)))
        return path

    def annotate(self) -> tuple[list[str], str]:
        """The verdict for GitHub Actions: annotations, and a summary in Markdown."""
        from hourglass.bench.report.github import commands, summary

        content = self._content()
        verdicts = list(content.verdicts)
        return commands(verdicts), summary(self.suite.title, verdicts, self._markdown(content))

    def wandb_report(self) -> str:
        """Publish a report in Weights & Biases; its address, or what it would say and why it is not published."""
        from hourglass.bench.tracking import report as reports
        from hourglass.bench.tracking.runs import runs

        content = self._content()
        tables = self._markdown(content)
        report = reports.compose(self.suite, runs(self.records), list(content.verdicts), self.metrics, tables)
        if reports.logged_in():
            return reports.publish(report)
        return f"{reports.as_text(report)}\n\nnot published: run `wandb login` or set WANDB_API_KEY"

    def track(self, timeout: float) -> str:
        """Hand the results to Weights & Biases; what came of it, in a line, which ``tracking.json`` keeps."""
        from hourglass.bench.tracking.runs import runs
        from hourglass.bench.tracking.track import track

        message = track(runs(self.records), self.folder / "tracking", timeout=timeout)
        write_json(self.folder / "tracking.json", {"outcome": message})
        return message

    def accept(self, reason: str) -> str:
        """Make what was measured the accepted results; the change as a diff."""
        return references.accept(self.tables, self.suite, self.records, reason, self.left_out.keys())

    def _is_counted(self, case: Case) -> bool:
        try:
            return stored.load(self.results, case, "cost") is not None
        except UserError:
            return False

    def _content(self) -> Content:
        from hourglass.bench.tables.content import Content

        return Content(
            suite=self.suite,
            rows=self._read("results.csv", "collect", stored.from_csv),
            metrics=self.metrics,
            verdicts=self._read("verdict.json", "verdict", _verdicts),
        )

    def _tables(self, content: Content) -> list[Table]:
        from hourglass.bench.tables.build import build
        from hourglass.bench.tables.definition import load_all

        return [build(name, definition, content) for name, definition in load_all(self.tables, self.suite).items()]

    def _markdown(self, content: Content) -> list[str]:
        from hourglass.bench.tables.render import markdown

        return [markdown(table) for table in self._tables(content)]

    def _read(self, name: str, command: str, parse: Callable[[str], T]) -> T:
        path = self.folder / name
        try:
            return parse(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UserError(f"{path}: no such file; run `hourglass {command} {self.suite.name}` first") from None


def _verdicts(text: str) -> list[Verdict]:
    return [Verdict(**entry) for entry in json.loads(text)["verdicts"]]
