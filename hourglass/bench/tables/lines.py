"""What the rows of a table are about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hourglass.bench.suites import published
from hourglass.bench.suites.case import Case
from hourglass.bench.suites.suite import Experiment


@dataclass(frozen=True)
class Line:
    """A case, a published row, or both: the case that repeats the row."""

    experiment: Experiment
    case: Case | None
    row: published.PublishedRow | None = None
    notes: tuple[str, ...] = ()
    """What one has to know to read the published row."""
    source: str = ""
    """Address of the line where the published row is printed."""


def published_lines(experiment: Experiment, cases: Sequence[Case]) -> Iterator[Line]:
    """The rows of an experiment's published table as they are printed, then the cases that repeat none.

    Args:
        experiment: One with a published table.
        cases: All of the experiment's.
    """
    assert experiment.published is not None
    table, origin = published.table(experiment.published), published.origin(experiment.published)
    left = list(cases)
    for row in table.rows:
        case = next((case for case in left if case.method == row.method and row.plan in (None, case.plan)), None)
        if case is not None:
            left.remove(case)
        source = f"https://github.com/{origin.repository}/blob/{origin.commit}/{origin.file}#L{row.line}"
        yield Line(experiment, case, row, table.notes_on(row), source)
    yield from (Line(experiment, case) for case in left)
