"""How long every single run took: the baseline, the baseline again as a control, and each plan, of one experiment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median, quantiles
from typing import Any, NamedTuple

from hourglass.bench.report.fronts import method_of
from hourglass.bench.report.plots import Axis
from hourglass.bench.report.words import case_target, title_of
from hourglass.bench.results.records import Record
from hourglass.bench.suites.suite import Experiment

WIDTH, LEFT, RIGHT, ROW, FOOT = 460, 132, 12, 33, 40


class Row(NamedTuple):
    """The runs of one contender on the canvas; coordinates in pixels."""

    name: str
    method: str
    """Of a plan, where that of another method has the same name; empty otherwise."""
    told: str
    target: str
    y: float
    runs: list[float]
    box: tuple[float, float]
    """Between these lies the middle half of the runs."""
    middle: float


class Timing(NamedTuple):
    """All contenders of one experiment."""

    rows: list[Row]
    ticks: list[tuple[float, str]]
    height: int
    beyond: int
    """Runs that took longer than the axis is long; they stand at its end."""


def timing(experiment: Experiment, records: Sequence[Record]) -> Timing | None:
    """The timings of an experiment, fastest plan last; None if there are none."""
    found = [each for each in records if each.measurement == "speed" and each.case.experiment == experiment.id]
    runs = [(record, _runs(record, "method")) for record in found]
    timed = [(record, times) for record, times in runs if times]
    if not timed:
        return None
    timed.sort(key=lambda pair: -median(pair[1]))
    first = timed[0][0]
    plans = Counter(record.case.plan for record, _ in timed)
    rows = [
        (name, "", f"{name} of {first.case.plan}", first, _runs(first, name))
        for name in ("baseline", "control")
        if _runs(first, name)
    ]
    for record, times in timed:
        plan, method = record.case.plan, method_of(record.case)
        rows.append((plan, method if plans[plan] > 1 else "", f"{plan} ({method})", record, times))
    every = [time for *_, times in rows for time in times]
    end = min(max(every), 1.25 * max(_middle(times)[1] for *_, times in rows))
    axis = Axis([min(every), end], LEFT, WIDTH - RIGHT, room=0.04)
    placed = []
    for number, (name, method, told, record, times) in enumerate(rows):
        low, high = _middle(times)
        row = Row(
            name=name,
            method=method,
            told=f"{told}: median {median(times):.1f} ms, middle half {low:.1f} to {high:.1f} ms, {len(times)} runs; "
            f"{title_of(experiment.task)}, {experiment.model} on {experiment.dataset}",
            target=f"#{case_target(record.case)}",
            y=ROW * number + ROW / 2 + 4,
            runs=[axis(min(time, end)) for time in times],
            box=(axis(min(low, end)), axis(min(high, end))),
            middle=axis(min(median(times), end)),
        )
        placed.append(row)
    return Timing(placed, axis.ticks(), ROW * len(rows) + FOOT, sum(time > end for time in every))


def _runs(record: Record, name: str) -> list[float]:
    """Milliseconds of every run; of a record whose samples are of another kind, none."""
    samples: Any = record.samples.get("latency_s")
    times = samples.get(name) if isinstance(samples, dict) else None
    return [1000 * time for time in times if isinstance(time, int | float)] if isinstance(times, list) else []


def _middle(times: Iterable[float]) -> tuple[float, float]:
    found = list(times)
    if len(found) < 2:
        return found[0], found[0]
    low, _, high = quantiles(found, n=4, method="inclusive")
    return low, high
