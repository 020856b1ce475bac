"""How far a run of a suite is: what its processes write down while they measure, and what follows from that."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hourglass.bench.results.state import State
from hourglass.bench.storage.files import append_line
from hourglass.bench.suites.case import MEASUREMENTS, Case, Measurement

Kind = Literal["started", "finished", "failed"]


@dataclass(frozen=True)
class Event:
    """Something that happened to one measurement.

    Attributes:
        seconds: When, since the epoch.
        message: Why it failed.
    """

    kind: Kind
    measurement: Measurement
    case: str
    seconds: float
    message: str = ""


class Journal:
    """A file of events, to which several processes append.

    Args:
        results: Folder of all results.
        suite: Name of the suite.
    """

    def __init__(self, results: Path, suite: str) -> None:
        self.path = results / suite / "logs" / "journal.jsonl"
        self._read = self.path.stat().st_size if self.path.is_file() else 0

    def write(self, kind: Kind, measurement: Measurement, case: Case, message: str = "") -> None:
        """Append an event that happens now."""
        event = {"kind": kind, "measurement": measurement, "case": case.id, "seconds": time.time(), "message": message}
        append_line(self.path, json.dumps(event))

    def news(self) -> list[Event]:
        """The events since this was made, or since the last call."""
        if not self.path.is_file():
            return []
        with self.path.open("rb") as file:
            file.seek(self._read)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._read += len(whole) + len(newline)
        return [event for line in whole.splitlines() if (event := _event(line))]


def _event(line: bytes) -> Event | None:
    """What a line says; None for one that a full disk has cut off."""
    try:
        return Event(**json.loads(line))
    except (TypeError, ValueError):
        return None


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        due: How many measurements of each kind the run has to make.
        began: When it did, in seconds since the epoch.
        durations: Of finished ones, in seconds, by kind.
        running: When each began, by kind and case.
        failed: How many measurements of each kind failed.
    """

    due: Mapping[Measurement, int]
    began: float
    durations: dict[Measurement, list[float]] = field(default_factory=dict)
    running: dict[tuple[Measurement, str], float] = field(default_factory=dict)
    failed: dict[Measurement, int] = field(default_factory=dict)

    def add(self, events: Iterable[Event]) -> None:
        """Take in what happened."""
        for event in events:
            place = (event.measurement, event.case)
            if event.kind == "started":
                self.running[place] = event.seconds
                continue
            began = self.running.pop(place, event.seconds)
            if event.kind == "finished":
                self.durations.setdefault(event.measurement, []).append(event.seconds - began)
            else:
                self.failed[event.measurement] = self.failed.get(event.measurement, 0) + 1

    def over(self, measurement: Measurement) -> int:
        """How many measurements of a kind are finished or have failed."""
        return len(self.durations.get(measurement, ())) + self.failed.get(measurement, 0)

    def seconds_left(self, now: float) -> float | None:
        """Estimate of the time that is left; None while nothing is known about some kind of measurement.

        What is left takes as long as what is finished of its kind did on average, with as many at a time as so far.
        """
        work = busy = 0.0
        for measurement, due in self.due.items():
            taken = self.durations.get(measurement, [])
            left = due - self.over(measurement)
            if left > 0 and not taken:
                return None
            if left > 0:
                work += left * sum(taken) / len(taken)
            busy += sum(taken)
        work -= sum(now - began for began in self.running.values())
        at_a_time = max(1.0, busy / max(now - self.began, 1e-3))
        return max(0.0, work / at_a_time)

    def in_words(self, now: float) -> str:
        """One line: what is done, what runs, what is left, and for how long."""
        done = sum(map(self.over, self.due))
        total = sum(self.due.values())
        parts = [f"{done} of {total} measurements done"]
        if failures := sum(self.failed.values()):
            parts.append(f"{failures} failed")
        parts += [f"{len(self.running)} running", f"{max(0, total - done - len(self.running))} left"]
        seconds = self.seconds_left(now)
        if done < total:
            parts.append("no estimate yet" if seconds is None else f"about {_readable(seconds)} to go")
        return ", ".join(parts)


def due(found: Iterable[State]) -> dict[Measurement, int]:
    """How many measurements of each kind a run has to make."""
    counts = Counter(state.measurement for state in found if state.is_due)
    return {measurement: counts[measurement] for measurement in MEASUREMENTS if counts[measurement]}


def _readable(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
