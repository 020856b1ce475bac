"""What is tracked: one run per case, made of its stored measurements."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from hourglass.bench.results.records import Record


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        id: The same for the same measurements, so that tracking them again changes the run and adds none.
        config: The resolved case, and the provenance of each measurement.
        summary: Values by ``measurement/quantity``; what does not apply is left out.
    """

    id: str
    name: str
    group: str
    job_type: str
    config: dict[str, Any]
    summary: dict[str, float | int]


def runs(records: Iterable[Record]) -> list[Run]:
    """The runs of these measurements, in their order."""
    by_case: dict[str, list[Record]] = {}
    for record in records:
        by_case.setdefault(record.case.id, []).append(record)
    return [_run(of_case) for of_case in by_case.values()]


def _run(records: list[Record]) -> Run:
    case = records[0].case
    content = json.dumps([record.model_dump(mode="json") for record in records], sort_keys=True)
    return Run(
        id=sha256(content.encode()).hexdigest()[:16],
        name=case.id,
        group=case.suite,
        job_type=case.task,
        config={
            "case": case.model_dump(mode="json"),
            "provenance": {record.measurement: record.provenance for record in records},
        },
        summary={
            f"{record.measurement}/{quantity}": value
            for record in records
            for quantity, value in record.values.items()
            if value is not None
        },
    )
