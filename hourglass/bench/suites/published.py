"""What the authors' result tables print, as data: arXiv 2210.01035 and the README files of the authors' repositories.

A table is named ``file/table``: ``segmenter/ade20k`` is the table ``ade20k`` of ``tables/paper/segmenter.yaml``.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, StringConstraints, model_validator

from hourglass.bench.storage.documents import Document, invalid, read
from hourglass.bench.storage.shipped import shipped
from hourglass.registry import UnknownNameError

FOLDER = shipped("tables/paper")

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$")]
Reference = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+/[a-z0-9-]+$")]
Positive = Annotated[float, Field(gt=0)]


class Origin(Document):
    """Where the rows of a file are printed: a file of a public repository at one commit."""

    repository: str
    commit: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
    file: str


class PublishedMetric(Document):
    """What a table's rows are judged by.

    Attributes:
        name: As the project's task calls it, where it has the task.
        percent: Whether a fraction is printed as per cent.
    """

    name: str
    title: str
    percent: bool
    higher_is_better: bool


class PublishedRow(Document):
    """One printed row.

    Attributes:
        line: Of the file it is printed in.
        method: ``baseline``, ``hourglass``, or a competing method, which this project may run or not.
        alpha: Of the hourglass, as printed.
        clusters: Of the hourglass; of each attention window in a windowed model.
        start: Blocks that really run on all tokens, where that is not the printed alpha.
        settings: Of a competing method, as printed.
        gflops: In the authors' convention, and in their unit.
        fps: Images (or clips) a second at batch 1, on a GPU that the authors do not name.
        throughput: Images a second at a larger batch.
        value: Of the table's metric, as printed.
        further: Other metrics, as printed.
        notes: What one has to know to read the row.
    """

    line: PositiveInt
    method: Name
    alpha: int | None = Field(default=None, ge=0)
    clusters: tuple[PositiveInt, ...] | None = None
    start: int | None = Field(default=None, ge=0)
    settings: dict[str, float | int] = Field(default_factory=dict)
    gflops: Positive | None = None
    fps: Positive | None = None
    throughput: Positive | None = None
    value: Positive
    further: dict[str, Positive] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _hourglass_is_whole(self) -> PublishedRow:
        if (self.method == "hourglass") != (self.alpha is not None and self.clusters is not None):
            raise invalid("a row of the hourglass has 'alpha' and 'clusters', and no other has", at=("method",))
        return self

    @property
    def label(self) -> str:
        """The printed settings, for people; empty for a baseline."""
        if self.clusters is not None:
            return f"α {self.alpha}, {' × '.join(map(str, self.clusters))}"
        return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in self.settings.items())

    @property
    def plan(self) -> str | None:
        """Name of the plan of a case that repeats the row: ``a10-28x28``, ``r-percent-20``; None for a baseline."""
        if self.clusters is not None:
            return f"a{self.alpha}-{'x'.join(map(str, self.clusters))}"
        return re.sub("[_ .]", "-", "-".join(f"{name} {value:g}" for name, value in self.settings.items())) or None


class PublishedTable(Document):
    """One printed table, with those of the competing methods on the same model and data.

    Attributes:
        dataset: With its split, for people.
        input: Size of what GFLOPs and FPS are of: height and width, with the number of frames before if it is a video.
        counted: What GFLOPs and FPS are of.
        plan: What all its hourglass rows share and do not print, as the authors' configurations have it; None if that
            is not known. Clusters of videos are quoted alone, which the hourglass of this project cannot run.
        unprinted: What all rows of a competing method share and do not print.
        notes: What one has to know to read any of its hourglass rows.
    """

    title: str
    task: Name
    dataset: str
    metric: PublishedMetric
    input: tuple[PositiveInt, ...] = Field(min_length=2, max_length=3)
    counted: Literal["model", "backbone"] = "model"
    plan: dict[str, Any] | None = None
    unprinted: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    rows: tuple[PublishedRow, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _plans_are_valid(self) -> PublishedTable:
        from hourglass import methods

        if self.rows[0].method != "baseline":
            raise invalid("the first row must be the baseline's", at=("rows", 0, "method"))
        for index, row in enumerate(self.rows):
            if (row.method, row.plan) in [(other.method, other.plan) for other in self.rows[:index]]:
                raise invalid(f"{row.label or row.method} is listed twice", at=("rows", index))
            try:
                is_runnable = self.plan is not None and len(self.input) == 2
                if is_runnable and row.clusters is not None:
                    methods.resolve(row.method, self.settings(row))
            except ValueError as error:
                raise invalid(str(error), at=("rows", index)) from None
        return self

    def settings(self, row: PublishedRow) -> dict[str, Any]:
        """What stands behind a row."""
        if row.method != "hourglass":
            return {**row.settings, **self.unprinted.get(row.method, {})}
        start = row.alpha if row.start is None else row.start
        return {"form": "published", "start": start, "clusters": list(row.clusters or ()), **(self.plan or {})}

    def plans(self, method: str) -> dict[str, dict[str, Any]]:
        """The plans behind all rows of a method, by the names of their cases."""
        return {row.plan: self.settings(row) for row in self.rows if row.method == method and row.plan is not None}

    def notes_on(self, row: PublishedRow) -> tuple[str, ...]:
        """Everything one has to know to read a row."""
        return (*self.notes, *row.notes) if row.method == "hourglass" else row.notes


class Publication(Document):
    """One file of published tables."""

    source: Origin
    tables: dict[Name, PublishedTable] = Field(min_length=1)


def file_of(reference: str) -> Path:
    """The file that a table is in, whether there is one or not."""
    return FOLDER / f"{reference.partition('/')[0]}.yaml"


def table(reference: str) -> PublishedTable:
    """A table by its name, such as ``segmenter/ade20k``.

    Raises:
        UserError: There is none, or its file is not valid.
    """
    path, table = file_of(reference), reference.partition("/")[2]
    if path.is_file() and table in (tables := publication(path).tables):
        return tables[table]
    raise UnknownNameError("table", reference, names())


def origin(reference: str) -> Origin:
    """Where the rows of a table are printed.

    Raises:
        UserError: As `table`.
    """
    table(reference)
    return publication(file_of(reference)).source


def names() -> list[str]:
    """Names of all tables.

    Raises:
        UserError: A file is not valid.
    """
    return [f"{path.stem}/{table}" for path in sorted(FOLDER.glob("*.yaml")) for table in publication(path).tables]


@cache
def publication(path: Path) -> Publication:
    """The content of a file.

    Raises:
        UserError: It cannot be read, or is not valid.
    """
    return read(path, Publication)
