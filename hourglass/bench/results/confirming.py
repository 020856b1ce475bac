"""More measurements before an alarm: what looks slower than accepted is timed again, each time in a new process.

A process keeps the cores it was given, and with them an error that its rounds do not show. What is judged then is what
all runs found together, with the smaller error of several runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hourglass.bench.results.accepted import Accepted
from hourglass.bench.results.history import machine_of
from hourglass.bench.results.judging import JUDGED_RATIOS
from hourglass.bench.results.records import Comparable, Record, comparable, load, record
from hourglass.bench.results.speed_change import QUIET, Change, Estimate, change
from hourglass.bench.suites.case import Case
from hourglass.bench.suites.suite import SpeedTolerance, Suite

MOST_RUNS = 6
"""Runs by which what looks slower is known well enough."""
CONFIRMED = 3
"""Runs that a slow-down which counts is found by, unless it is plain."""


@dataclass(frozen=True)
class Suspect:
    """A case that one more run should time.

    Attributes:
        case: Which.
        by_throughput: Whether its throughput is to be known better, not only its latency at batch 1.
    """

    case: Case
    by_throughput: bool


def suspects(suite: Suite, cases: Iterable[Case], results: Path, accepted: Accepted | None) -> list[Suspect]:
    """Those of some cases that one more run should time: they look slower, or one run found them faster, than accepted.

    Args:
        suite: That they are of.
        cases: Which were timed.
        results: Folder of all results.
        accepted: What has been accepted; None for nothing.
    """
    found = []
    for case in cases:
        stored = load(results, case, "speed")
        then = accepted.cases.get(case.id, {}).get("speed") if accepted else None
        if stored is None or then is None:
            continue
        now = comparable([stored])[case.id]["speed"]
        runs = int(now.values.get("runs") or 1)
        changes = _changes(now, then, suite.speed)
        names = [name for name, each in changes if deserves_another(each, runs, closely=name == "speedup")]
        if names:
            found.append(Suspect(case, by_throughput="throughput_speedup" in names))
    return found


def deserves_another(found: Change, runs: int, *, closely: bool = True) -> bool:
    """Whether one more run should follow so many, which found a change.

    Args:
        found: By all of them.
        runs: How many.
        closely: Whether it is enough that something may be slower. Of few rounds, as throughputs are, most may be.
    """
    suspect = found.may_be_slower if closely else found.looks_slower
    if runs == 1:
        return suspect or found.direction > 0
    confirmed = found.is_plain or (found.direction < 0 and runs >= CONFIRMED)
    return suspect and not confirmed and runs < MOST_RUNS


def _changes(now: Comparable, then: Comparable, tolerance: SpeedTolerance) -> Iterable[tuple[str, Change]]:
    same = machine_of(now.conditions) == machine_of(then.conditions)
    control = Estimate.of(now.values, "control") or QUIET
    for name in JUDGED_RATIOS:
        value, reference = Estimate.of(now.values, name), Estimate.of(then.values, name)
        if value and reference:
            yield name, change(value, reference, tolerance, control=control, same_machine=same)


def together(first: Record, second: Record) -> Record:
    """What two runs of one case found together."""
    from hourglass.bench.measuring.speed import pooled

    result = pooled([{"values": each.values, "samples": each.samples, "conditions": {}} for each in (first, second)])
    return record("speed", second.case, result["values"], result["samples"], second.provenance)
