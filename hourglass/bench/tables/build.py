"""From an outcome to finished tables, by their definitions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from hourglass.bench.suites.case import Case
from hourglass.bench.suites.suite import Experiment
from hourglass.bench.tables.cells import cell_of, column_of
from hourglass.bench.tables.content import Content
from hourglass.bench.tables.definition import TableDefinition
from hourglass.bench.tables.lines import Line, published_lines
from hourglass.bench.tables.model import Table


def build(name: str, definition: TableDefinition, content: Content) -> Table:
    """One table.

    Args:
        name: Of its files.
        definition: What it looks like.
        content: What it is filled from.
    """
    lines = list(_LINES[definition.rows](definition, content))
    notes = list(dict.fromkeys(note for line in lines for note in line.notes))
    return Table(
        name=name,
        title=definition.title,
        caption=definition.caption,
        columns=tuple(column_of(column) for column in definition.columns),
        rows=tuple(tuple(cell_of(column, line, content, notes) for column in definition.columns) for line in lines),
        notes=tuple(notes),
    )


def _experiments(definition: TableDefinition, content: Content) -> Iterator[tuple[Experiment, list[Case]]]:
    for experiment in content.outcome.suite.experiments:
        if definition.task in (None, experiment.task):
            yield experiment, [case for case in content.outcome.suite.cases if case.experiment == experiment.id]


def _cases(definition: TableDefinition, content: Content) -> Iterator[Line]:
    for experiment, cases in _experiments(definition, content):
        yield from (Line(experiment, case) for case in cases)


def _fastest(definition: TableDefinition, content: Content) -> Iterator[Line]:
    for experiment, cases in _experiments(definition, content):
        yield Line(experiment, content.fastest_that_keeps(definition.keep, experiment.id) or cases[0])


def _front(definition: TableDefinition, content: Content) -> Iterator[Line]:
    for experiment, _ in _experiments(definition, content):
        yield from (Line(experiment, case) for case in content.front(experiment.id))


def _published(definition: TableDefinition, content: Content) -> Iterator[Line]:
    for experiment, cases in _experiments(definition, content):
        if experiment.published:
            yield from published_lines(experiment, cases)


_LINES: Mapping[str, Callable[[TableDefinition, Content], Iterator[Line]]] = {
    "cases": _cases,
    "fastest": _fastest,
    "front": _front,
    "published": _published,
}
