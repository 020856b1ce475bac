"""The speed-ups of past runs: evidence that one run alone does not give.

``results/history/<suite>.jsonl`` has a line per run. It lies beside the suite's results, which a nightly run removes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

from pydantic import PositiveFloat, PositiveInt, ValidationError

from hourglass.bench.results.records import Record
from hourglass.bench.results.speed_change import Estimate
from hourglass.bench.storage.documents import Document
from hourglass.bench.storage.files import append_line

NIGHTS = 7
"""Runs whose evidence is pooled."""


class Run(Document):
    """The speed-ups of one run of a suite on one machine.

    Attributes:
        key: The same for the same measurements.
        machine: What speeds depend on beside the code.
        ratios: Speed-up by case: low, value, high, and how many runs found it.
        against: What it was compared with: the same for the same accepted results.
    """

    key: str
    machine: str
    ratios: dict[str, tuple[PositiveFloat, PositiveFloat, PositiveFloat, PositiveInt]]
    against: str = ""


def run_of(records: Iterable[Record], against: str = "") -> Run | None:
    """The run that these measurements are of; None if no speed is among them, or if they are of several machines.

    Args:
        records: The measurements.
        against: As of `Run`.
    """
    speeds = [record for record in records if record.measurement == "speed" and record.values.get("speedup")]
    machines = {machine_of(record.conditions) for record in speeds}
    if len(machines) != 1:
        return None
    content = json.dumps([record.model_dump(mode="json") for record in speeds], sort_keys=True)
    ratios = {}
    for each in speeds:
        ratio, control = (Estimate.of(each.values, name) for name in ("speedup", "control"))
        if ratio and control and control.low <= 1 <= control.high:  # otherwise the machine was not quiet
            ratios[each.case.id] = (ratio.low, ratio.value, ratio.high, ratio.runs)
    return Run(key=sha256(content.encode()).hexdigest()[:16], machine=machines.pop(), ratios=ratios, against=against)


def machine_of(conditions: dict[str, object]) -> str:
    """What makes the speeds of two measurements comparable, in words."""
    return f"{conditions.get('device')}, {conditions.get('machine')}, {conditions.get('threads')} threads"


def load(results: Path, suite: str, machine: str) -> list[Run]:
    """The last runs of a suite on a machine, oldest first. Lines that cannot be read are left out."""
    try:
        lines = _file(results, suite).read_bytes().splitlines()
    except OSError:
        return []
    runs = []
    for line in lines:
        try:
            runs.append(Run.model_validate_json(line))
        except ValidationError:
            continue
    return [run for run in runs if run.machine == machine][-NIGHTS:]


def append(results: Path, suite: str, run: Run) -> None:
    """Add a run to a suite's history, unless it is there already."""
    if any(known.key == run.key for known in load(results, suite, run.machine)):
        return
    append_line(_file(results, suite), run.model_dump_json())


def by_case(runs: Sequence[Run]) -> dict[str, list[Estimate]]:
    """The speed-ups of each case, oldest first."""
    found: dict[str, list[Estimate]] = {}
    for run in runs:
        for case, ratio in run.ratios.items():
            found.setdefault(case, []).append(Estimate(*ratio))
    return found


def _file(results: Path, suite: str) -> Path:
    return results / "history" / f"{suite}.jsonl"
