"""Table definitions as data: which rows and columns there are, how numbers are rounded and compared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from hourglass.documents import Document, read
from hourglass.errors import UserError
from hourglass.suite import Name, Suite

Source = Annotated[str, StringConstraints(pattern=r"^(case|settings|criterion|accuracy|cost|speed)\.[a-z0-9_]+$")]


class ColumnDefinition(Document):
    """One column.

    Attributes:
        header: What is printed above it.
        value: Where a cell comes from: ``case.<field>``, ``settings.<field of the plan>``,
            ``<measurement>.<quantity>``, ``accuracy.judged`` for the metric that the suite judges, or
            ``criterion.metric`` for that metric's title.
        show: The case's ``value``, its ``baseline``'s, or of the two the ``share`` that is kept or ``saved``.
        digits: After the decimal point.
        percent: Print a fraction as per cent.
        interval: Print the interval that is stored beside the value.
        change: Also print the difference from the baseline: ``absolute`` (in the printed unit) or ``relative`` (%).
    """

    header: str
    value: Source
    show: Literal["value", "baseline", "share", "saved"] = "value"
    digits: int = Field(default=2, ge=0, le=9)
    percent: bool = False
    interval: bool = False
    change: Literal["absolute", "relative"] | None = None


class TableDefinition(Document):
    """One table.

    Attributes:
        rows: ``cases`` for every case of ``task``; ``fastest`` for one row an experiment: the fastest plan that keeps
            the share ``keep`` of its baseline's accuracy.
    """

    title: str
    caption: str = ""
    rows: Literal["cases", "fastest"] = "cases"
    task: Name | None = None
    keep: float = Field(default=0.99, gt=0, le=1)
    columns: tuple[ColumnDefinition, ...] = Field(min_length=1)


def load_all(tables: Path, suite: Suite) -> dict[str, TableDefinition]:
    """The definitions of the tables that a suite has rows for, by name: those about all tasks first.

    Raises:
        UserError: One is not valid, or there are none.
    """
    folder = tables / "definitions"
    found = {path.stem: read(path, TableDefinition) for path in sorted(folder.glob("*.yaml"))}
    if not found:
        raise UserError(f"{folder}: holds no table definitions; run from the project's folder or give --tables")
    tasks = {experiment.task for experiment in suite.experiments}
    general = {name: definition for name, definition in found.items() if definition.task is None}
    return general | {name: definition for name, definition in found.items() if definition.task in tasks}
