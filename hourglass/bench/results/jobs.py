"""Which measurements are made by one process: what shares a start-up, a model or a baseline."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hourglass.bench.results.state import State
from hourglass.bench.suites.case import Case, Measurement
from hourglass.bench.suites.suite import Suite

WHOLE_SPLIT = 1000
"""Images that a case is taken to have if it does not say how many."""


@dataclass(frozen=True)
class Job:
    """Cases of which one process makes one kind of measurement.

    Attributes:
        name: Says which, as an identifier; the same whichever of its cases are due.
        work: How long it takes, in no unit; what takes longest should begin first.
    """

    name: str
    measurement: Measurement
    cases: tuple[Case, ...]
    work: float


def jobs(
    suite: Suite, found: Iterable[State], most: int | None = None, costs: Mapping[str, float] | None = None
) -> list[Job]:
    """The jobs that make what is due.

    Costs are counted in one job, and speeds are measured in one, as nothing may run beside it. Accuracies are measured
    side by side, each job those of one model on one data set; where the suite splits them into shards, there is none.

    Args:
        suite: Which.
        found: States of its measurements.
        most: How many cases a job has at most; None for no limit. A limit lets a cluster work on more of them at once.
        costs: What a case computes, as far as it is known, by its id.
    """
    due = {(state.case.id, state.measurement) for state in found if state.is_due}
    members: dict[tuple[Measurement, str], list[Case]] = {}
    for case in suite.cases:
        for measurement in case.measurements:
            if measurement == "accuracy" and suite.shards_of(case) > 1:
                continue
            shared = f"{case.model}.{case.dataset}" if measurement == "accuracy" else suite.name
            members.setdefault((measurement, shared), []).append(case)
    made = []
    for (measurement, shared), cases in members.items():
        size = most or len(cases)
        for start in range(0, len(cases), size):
            name = "_".join(filter(None, (measurement, re.sub(r"\W", "_", shared), str(start or ""))))
            chosen = tuple(case for case in cases[start : start + size] if (case.id, measurement) in due)
            if chosen:
                work = sum((costs or {}).get(case.id, 1.0) * (case.images or WHOLE_SPLIT) for case in chosen)
                made.append(Job(name, measurement, chosen, work))
    return made
