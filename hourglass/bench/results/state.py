"""Which measurements of a suite are there, and which are due."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hourglass.bench import datasets, models
from hourglass.bench.results import requirements
from hourglass.bench.results.records import Record, load, path_of
from hourglass.bench.storage.files import write_text
from hourglass.bench.suites.case import Case, Measurement
from hourglass.bench.suites.suite import Suite
from hourglass.registry import UserError

Status = Literal["finished", "stale", "failed", "missing", "left out"]


@dataclass(frozen=True)
class State:
    """What is known of one measurement of one case.

    Attributes:
        status: ``finished``; ``stale`` where it is of something that has changed since; ``failed`` where the last
            attempt ended in an error; ``missing``; ``left out`` where something the user has to provide is not there.
        reason: Why it is stale or left out, or what the error was.
    """

    case: Case
    measurement: Measurement
    status: Status
    reason: str = ""

    @property
    def is_due(self) -> bool:
        """Whether a run of the suite measures it."""
        return self.status in ("stale", "failed", "missing")


def states(
    suite: Suite, *, results: Path, data: Path, device: str = "cpu", left_out: Mapping[str, str] | None = None
) -> list[State]:
    """The state of every measurement of a suite, in the suite's order.

    Args:
        suite: Which.
        results: Folder of all results.
        data: Folder of all data.
        device: Where accuracy and speed are measured.
        left_out: As `requirements.left_out` finds it, if it has been asked already.
    """
    if left_out is None:
        left_out = requirements.left_out(suite, data=data, results=results)
    weights = {each.model: _digest(each.model) for each in suite.experiments}
    found = []
    for case in suite.cases:
        for measurement in case.measurements:
            status, reason = _state(results, data, case, measurement, device, weights[case.model])
            if status != "finished" and measurement != "cost" and case.id in left_out:
                status, reason = "left out", left_out[case.id]
            found.append(State(case, measurement, status, reason))
    return found


def in_numbers(found: Iterable[State]) -> str:
    """How many there are of each status."""
    return ", ".join(f"{count} {status}" for status, count in Counter(state.status for state in found).items())


def note_failure(results: Path, case: Case, measurement: Measurement, message: str) -> None:
    """Remember why a measurement failed, until one succeeds."""
    write_text(_failure(results, case, measurement), f"{message}\n")


def forget_failure(results: Path, case: Case, measurement: Measurement) -> None:
    """A measurement succeeded, or is being tried again."""
    _failure(results, case, measurement).unlink(missing_ok=True)


def _state(
    results: Path, data: Path, case: Case, measurement: Measurement, device: str, weights: str | None
) -> tuple[Status, str]:
    try:
        record = load(results, case, measurement)
    except UserError as error:
        return "stale", str(error)
    if record is None:
        failure = _failure(results, case, measurement)
        return (
            ("failed", failure.read_text(encoding="utf-8", errors="replace").strip())
            if failure.is_file()
            else ("missing", "")
        )
    reason = "" if measurement == "cost" else _change(results, data, record, device, weights)
    return ("stale", reason) if reason else ("finished", "")


def _change(results: Path, data: Path, record: Record, device: str, weights: str | None) -> str:
    """What has changed since something was measured; empty if nothing has."""
    case, known = record.case, record.provenance
    card = models.card(case.model)
    if known.get("device") != device:
        return f"device: {device} is asked for, it was measured on {known.get('device')}"
    if weights is not None and known.get("weights") != weights:
        return f"the weights of '{case.model}' have changed"
    if record.measurement == "accuracy" and known.get("protocol") != card.protocol:
        return f"the protocol of '{case.model}' has changed"
    if datasets.is_outdated(case.dataset, root=data):
        return f"the data set '{case.dataset}' has a new version"
    measured = path_of(results, case, record.measurement).stat().st_mtime
    sources = {data / case.dataset / "ready.json": f"the data set '{case.dataset}' was prepared again"}
    if card.artifact and (weights_file := card.weights(data)):
        sources[weights_file] = f"the weights of '{case.model}' were made again"
    return next((why for file, why in sources.items() if file.is_file() and file.stat().st_mtime > measured), "")


def _digest(model: str) -> str | None:
    """Of a model's weights; None for those of a checkpoint, which are too large to be read every time."""
    card = models.card(model)
    return None if card.artifact else card.weights_key


def _failure(results: Path, case: Case, measurement: Measurement) -> Path:
    return path_of(results, case, measurement).with_suffix(".error")
