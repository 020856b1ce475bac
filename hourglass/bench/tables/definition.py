"""Table definitions as data: which rows and columns there are, how numbers are rounded and compared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from hourglass.bench.storage.documents import Document, invalid, read, unknown
from hourglass.bench.suites.case import Case, Name
from hourglass.bench.suites.suite import Suite
from hourglass.bench.tables.content import KEEP
from hourglass.registry import UserError

Source = Annotated[
    str, StringConstraints(pattern=r"^(case|settings|criterion|accuracy|cost|speed|published)\.[a-z0-9_]+$")
]


PRINTED: Mapping[str, str] = {"cost.gflops_published": "gflops", "speed.fps": "fps"}
"""Field of a published row by the measured quantity that can be compared with it."""


QUOTED = ("method", "label", "notes", "gflops", "fps", "throughput", "value")
"""What a column may quote of a published row."""


class ColumnDefinition(Document):
    """One column.

    Attributes:
        header: What is printed above it.
        value: Where a cell comes from: ``case.<field>``, ``settings.<field of the plan>``,
            ``<measurement>.<quantity>``, ``accuracy.judged`` for the metric that the suite judges,
            ``criterion.metric`` for that metric's title, ``published.<field of the row>``, ``published.label`` for its
            printed settings or ``published.notes`` for the numbers of its footnotes.
        show: The case's ``value``, its ``baseline``'s, of the two the ``share`` that is kept or ``saved``, or the
            value's relative ``deviation`` from the published one.
        digits: After the decimal point.
        percent: Print a fraction as per cent.
        interval: Print the interval that is stored beside the value.
        change: Also print the difference from the baseline: ``absolute`` (in the printed unit) or ``relative`` (%).
    """

    header: str
    value: Source
    show: Literal["value", "baseline", "share", "saved", "deviation"] = "value"
    digits: int = Field(default=2, ge=0, le=9)
    percent: bool = False
    interval: bool = False
    change: Literal["absolute", "relative"] | None = None

    @model_validator(mode="after")
    def _fields_exist(self) -> ColumnDefinition:
        kind, name = self.value.split(".", 1)
        known = {"case": (*Case.model_fields, "id"), "published": QUOTED}.get(kind)
        if known is not None and name not in known:
            raise unknown(f"field of {kind}", name, known, at=("value",))
        return self

    @model_validator(mode="after")
    def _can_deviate(self) -> ColumnDefinition:
        if self.show == "deviation" and self.value not in PRINTED:
            raise invalid(f"only {', '.join(PRINTED)} can be compared with what is published", at=("show",))
        return self


class TaskDefinition(Document):
    """What a table says about one task only.

    Attributes:
        columns: Between the table's own columns and its closing ones.
    """

    title: str
    caption: str = ""
    columns: tuple[ColumnDefinition, ...] = ()


class TableDefinition(Document):
    """One table, or one for each of several tasks.

    Attributes:
        name: Of the table's files; the name of the definition's file unless given. ``{task}`` stands for the task.
        suites: The suites that have it; all of them unless given.
        rows: ``cases`` for every case; ``fastest`` for one row an experiment: the hourglass's fastest plan that keeps
            the share ``keep`` of its baseline's accuracy; ``front`` for the cases of each experiment that no other one
            beats in speed-up and accuracy; ``published`` for every published row, whether there is a case that repeats
            it or not, and every other case of the same experiments.
        tasks: The tasks that have a table of their own; if there are none, there is one table about all tasks.
        closing: The last columns.
    """

    name: str = ""
    title: str = ""
    caption: str = ""
    suites: tuple[Name, ...] = ()
    rows: Literal["cases", "fastest", "front", "published"] = "cases"
    keep: float = Field(default=KEEP, gt=0, le=1)
    columns: tuple[ColumnDefinition, ...] = Field(min_length=1)
    tasks: dict[Name, TaskDefinition] = Field(default_factory=dict)
    closing: tuple[ColumnDefinition, ...] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> TableDefinition:
        if self.tasks and "{task}" not in self.name:
            raise invalid("must contain {task}, so that each task's table has a name of its own", at=("name",))
        return self

    @property
    def task(self) -> str | None:
        """The one task that the table is about; None if it is about all."""
        return next(iter(self.tasks), None)

    def of_task(self, task: str) -> TableDefinition:
        """The table of one of its tasks."""
        own = self.tasks[task]
        return self.model_copy(
            update={
                "name": self.name.replace("{task}", task),
                "title": own.title,
                "caption": own.caption or self.caption,
                "columns": (*self.columns, *own.columns, *self.closing),
                "tasks": {task: own},
                "closing": (),
            }
        )


def files(tables: Path) -> list[Path]:
    """The files that define tables.

    Raises:
        UserError: There are none.
    """
    folder = tables / "definitions"
    found = sorted(folder.glob("[!.]*.yaml"))
    if not found:
        raise UserError(f"{folder}: holds no table definitions; run from the project's folder or give --tables")
    return found


def load_all(tables: Path, suite: Suite) -> dict[str, TableDefinition]:
    """The definitions of the tables that a suite has rows for, by name: those about all tasks first.

    Raises:
        UserError: One is not valid, or there are none.
    """
    general, of_tasks = {}, {}
    tasks = sorted({experiment.task for experiment in suite.experiments})
    published = {experiment.task for experiment in suite.experiments if experiment.published}
    for path in files(tables):
        definition = read(path, TableDefinition)
        if definition.suites and suite.name not in definition.suites:
            continue
        if not definition.tasks:
            general[definition.name or path.stem] = definition
        for task in tasks:
            if task in definition.tasks and (definition.rows != "published" or task in published):
                of_task = definition.of_task(task)
                of_tasks[of_task.name] = of_task
    return general | of_tasks
