"""Table definitions as data: which rows and columns there are, how numbers are rounded and compared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from hourglass.bench.storage.documents import Document, invalid, read, unknown
from hourglass.bench.suites.suite import Case, Name, Suite
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


class TableDefinition(Document):
    """One table.

    Attributes:
        rows: ``cases`` for every case of ``task``; ``fastest`` for one row an experiment: the fastest plan that keeps
            the share ``keep`` of its baseline's accuracy; ``published`` for every published row, whether there is a
            case that repeats it or not, and every other case of the same experiments.
    """

    title: str
    caption: str = ""
    rows: Literal["cases", "fastest", "published"] = "cases"
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
    published = {experiment.task for experiment in suite.experiments if experiment.published}
    general = {name: definition for name, definition in found.items() if definition.task is None}
    return general | {
        name: definition
        for name, definition in found.items()
        if definition.task in (published if definition.rows == "published" else tasks)
    }
