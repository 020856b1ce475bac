"""What is tracked: one run per case and machine, made of its stored measurements, that grows by a point each time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from hourglass.bench.results import gallery
from hourglass.bench.results.records import Record, path_of


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        id: The same for one case of a suite on one machine, whenever it is measured.
        step: Minutes from 1970 to the last of the measurements. It tells points of a run apart: tracking the same
            measurements again adds none.
        config: The resolved case, and the provenance of each measurement.
        summary: Values by ``measurement/quantity``; what does not apply is left out.
        files: The stored measurements and pictures, as paths; they become a versioned artifact.
        galleries: Of those, the pictures of the baseline and of the case itself, as far as they are there.
    """

    id: str
    name: str
    group: str
    job_type: str
    tags: tuple[str, ...]
    step: int
    config: dict[str, Any]
    summary: dict[str, float | int]
    files: tuple[str, ...] = ()
    galleries: dict[str, str] = field(default_factory=dict)


def runs(records: Iterable[Record], results: Path | None = None) -> list[Run]:
    """The runs of these measurements, in their order.

    Args:
        records: Of one suite.
        results: Folder of all results, where their files are; None to track no files.
    """
    by_case: dict[str, list[Record]] = {}
    for record in records:
        by_case.setdefault(record.case.id, []).append(record)
    pictures: dict[str, str] = {}
    made = []
    for of_case in by_case.values():
        run, own = _run(of_case, results)
        if own:
            pictures[run.name] = own
        baseline = pictures.get(of_case[0].case.baseline_id)
        run.galleries.update({"baseline": baseline} if baseline else {})
        run.galleries.update({"own": own} if own else {})
        made.append(run)
    return made


def _run(records: list[Record], results: Path | None) -> tuple[Run, str]:
    case = records[0].case
    machines = {f"{each.provenance.get('machine')}, {each.provenance.get('device')}": None for each in records}
    pictures = gallery.path_of(results, case) if results else None
    own = str(pictures.absolute()) if pictures and pictures.is_file() else ""
    stored = [str(path_of(results, case, each.measurement).absolute()) for each in records] if results else []
    return Run(
        id=sha256("\n".join([case.suite, case.id, *machines]).encode()).hexdigest()[:16],
        name=case.id,
        group=case.suite,
        job_type=case.task,
        tags=tuple(dict.fromkeys((case.suite, case.task, case.model, case.dataset, case.method))),
        step=max(map(_minutes, records)),
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
        files=tuple([*stored, own] if own else stored),
    ), own


def _minutes(record: Record) -> int:
    """When something was measured; 0 if it does not say."""
    try:
        return int(datetime.fromisoformat(str(record.provenance.get("time"))).timestamp() // 60)
    except ValueError:
        return 0
