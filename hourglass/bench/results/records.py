"""Measurements on disk: one JSON file each.

They can be exported as one tidy table, ``results.csv``, with a row per case and measured quantity. A quantity that does
not apply to a case has an empty value there and null in the JSON file; one that was not measured has no row.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StrictFloat, StrictInt, ValidationError

from hourglass.bench.storage.documents import Document
from hourglass.bench.storage.files import write_json
from hourglass.bench.suites.case import USUAL_FORMAT, Case, Measurement
from hourglass.bench.suites.suite import Suite
from hourglass.registry import UserError

SCHEMA_VERSION: Literal[1] = 1
Value = Annotated[StrictFloat | StrictInt, Field(ge=-1e100, le=1e100)] | None
"""A measured number, no larger than can be computed with; None where the quantity does not apply."""

CONDITIONS: dict[Measurement, tuple[str, ...]] = {
    "accuracy": ("weights", "data", "protocol", "precision", "device", "attention"),
    "cost": (),
    "speed": ("weights", "precision", "device", "attention", "machine", "threads"),
}
"""Provenance that makes measurements comparable, beside the case itself. A count of operations needs none."""


class Record(Document):
    """One measurement of one case, as stored.

    Attributes:
        values: By quantity; names carry their unit.
        samples: Raw samples that values were computed from, so that a better statistic can be applied later.
        provenance: Which code, weights, data, machine and versions made it.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    measurement: Measurement
    case: Case
    values: dict[str, Value]
    samples: dict[str, Any]
    provenance: dict[str, Any]

    @property
    def conditions(self) -> dict[str, Any]:
        """What must be equal for another measurement to be comparable with this one."""
        case: dict[str, Any] = {"settings": self.case.settings, "images": self.case.images, "batch": self.case.batch}
        if self.measurement != "cost" and self.case.memory_format != USUAL_FORMAT:
            case["memory_format"] = self.case.memory_format
        return case | {name: self.provenance.get(name) for name in CONDITIONS[self.measurement]}


class Comparable(Document):
    """The part of a record that is compared with accepted results.

    Attributes:
        conditions: What must be equal for two measurements to be comparable.
        values: By quantity, as in `Record`.
    """

    conditions: dict[str, Any]
    values: dict[str, Value]


def path_of(results: Path, case: Case, measurement: Measurement) -> Path:
    """Where a measurement is stored below the folder of all results."""
    return results / case.suite / case.id / f"{measurement}.json"


def record(
    measurement: Measurement,
    case: Case,
    values: Mapping[str, float | int | None],
    samples: Mapping[str, Any],
    provenance: Mapping[str, Any],
) -> Record:
    """A measurement, checked; the arguments are the fields of `Record`.

    Raises:
        UserError: A value is not a finite number.
    """
    try:
        return Record(
            measurement=measurement,
            case=case,
            values=dict(values),
            samples=dict(samples),
            provenance=dict(provenance),
        )
    except ValidationError as errors:
        first = errors.errors()[0]
        where = ".".join(map(str, first["loc"][:2]))
        raise UserError(f"{case.id}: {measurement}: {where} is {first['input']}: {first['msg']}; not stored") from None


def save(results: Path, record: Record) -> Path:
    """Store a measurement in one step."""
    path = path_of(results, record.case, record.measurement)
    write_json(path, record.model_dump(mode="json"))
    return path


def load(results: Path, case: Case, measurement: Measurement) -> Record | None:
    """The stored measurement of exactly this case, or None if there is none.

    Raises:
        UserError: The file is damaged, or of a case that was defined otherwise.
    """
    path = path_of(results, case, measurement)
    try:
        record = Record.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}; delete it and measure again") from None
    except ValidationError as errors:
        first = errors.errors()[0]
        where = ".".join(map(str, first["loc"])) or "content"
        raise UserError(f"{path}: {where}: {first['msg']}; delete the file and measure again") from None
    if record.case != case:
        raise UserError(f"{path}: was measured with other settings than the suite has now; run the suite again")
    return record


@dataclass(frozen=True)
class Stored:
    """What lies in a suite's folder.

    Attributes:
        records: Its measurements, in the suite's order.
        unreadable: Why a file is left out, by case id and kind of measurement: it is damaged, or of other settings.
    """

    records: list[Record]
    unreadable: dict[tuple[str, str], str]


def load_all(results: Path, suite: Suite) -> Stored:
    """All stored measurements of a suite; what is wrong with one of them does not keep the others from being read."""
    records: list[Record] = []
    unreadable: dict[tuple[str, str], str] = {}
    for case in suite.cases:
        for measurement in case.measurements:
            try:
                if found := load(results, case, measurement):
                    records.append(found)
            except UserError as error:
                unreadable[case.id, measurement] = str(error)
    return Stored(records, unreadable)


def comparable(records: Iterable[Record]) -> dict[str, dict[Measurement, Comparable]]:
    """What verdicts need, by case id and kind of measurement."""
    found: dict[str, dict[Measurement, Comparable]] = {}
    for record in records:
        found.setdefault(record.case.id, {})[record.measurement] = Comparable(
            conditions=record.conditions, values=record.values
        )
    return found


def common_provenance(records: Iterable[Record]) -> dict[str, str]:
    """Provenance of all measurements by name: the one value, a few, or the range of many.

    Settings are left out: they are what cases differ in, and tables show them.
    """
    found: dict[str, dict[str, None]] = {}
    for record in records:
        for name, value in record.provenance.items():
            found.setdefault(name, {})[_plain(value)] = None
    return {name: _in_short(list(values)) for name, values in found.items() if name != "settings"}


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {entry}" for name, entry in value.items())
    return "none" if value is None else str(value)


def _in_short(values: list[str], most: int = 6) -> str:
    return ", ".join(values) if len(values) <= most else f"{min(values)} to {max(values)}"


@dataclass(frozen=True)
class Row:
    """One row of the tidy table."""

    task: str
    model: str
    dataset: str
    method: str
    plan: str
    case: str
    measurement: str
    quantity: str
    value: float | int | None
    file: str
    """Where the value comes from, relative to the folder of all results."""


def rows(records: Iterable[Record]) -> list[Row]:
    """The tidy table of these measurements."""
    return [
        Row(
            task=record.case.task,
            model=record.case.model,
            dataset=record.case.dataset,
            method=record.case.method,
            plan=record.case.plan,
            case=record.case.id,
            measurement=record.measurement,
            quantity=quantity,
            value=value,
            file=path_of(Path(), record.case, record.measurement).as_posix(),
        )
        for record in records
        for quantity, value in record.values.items()
    ]


def to_csv(table: Iterable[Row]) -> str:
    """The tidy table as text; numbers keep every digit."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in fields(Row))
    writer.writerows(astuple(row) for row in table)
    return text.getvalue()
