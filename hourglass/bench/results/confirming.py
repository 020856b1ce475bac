"""A second measurement before an alarm: what differs from the accepted results is measured again, in a process anew.

A process keeps the memory and the cores it was given, and with them an error that its rounds do not show. What is
judged then is what both runs found together, with the smaller error of two runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hourglass.bench.results.accepted import Accepted
from hourglass.bench.results.history import machine_of
from hourglass.bench.results.judging import JUDGED_RATIOS
from hourglass.bench.results.records import Record, comparable, load, record
from hourglass.bench.results.speed_change import Estimate, change
from hourglass.bench.suites.case import Case
from hourglass.bench.suites.suite import Suite


def suspects(suite: Suite, cases: Iterable[Case], results: Path, accepted: Accepted | None) -> list[Case]:
    """Those of some cases whose stored speed, found by one run, differs from the accepted one.

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
        if stored is None or then is None or stored.values.get("runs") != 1:
            continue
        now = comparable([stored])[case.id]["speed"]
        same = machine_of(now.conditions) == machine_of(then.conditions)
        pairs = [(Estimate.of(now.values, name), Estimate.of(then.values, name)) for name in JUDGED_RATIOS]
        control = now.values.get("control") or 1.0
        if any(
            value and reference and change(value, reference, suite.speed, control=control, same_machine=same).direction
            for value, reference in pairs
        ):
            found.append(case)
    return found


def together(first: Record, second: Record) -> Record:
    """What two runs of one case found together."""
    from hourglass.bench.measuring.speed import pooled

    result = pooled([{"values": each.values, "samples": each.samples, "conditions": {}} for each in (first, second)])
    return record("speed", second.case, result["values"], result["samples"], second.provenance)
