"""What is timed again, and what is made of several runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from hourglass.bench.results import accepted
from hourglass.bench.results.confirming import CONFIRMED, MOST_RUNS, Suspect, suspects, together
from hourglass.bench.results.records import Record, record, save
from hourglass.bench.suites.suite import Suite

from ..conftest import interval


@pytest.fixture
def reference(tmp_path: Path, suite: Suite, records: list[Record]) -> accepted.Accepted | None:
    accepted.accept(tmp_path, suite, records, "first results")
    return accepted.load(tmp_path, suite)


def speed_of(records: list[Record], plan: str, **values: float) -> Record:
    old = next(each for each in records if each.case.plan == plan and each.measurement == "speed")
    return record("speed", old.case, {**old.values, **values}, old.samples, old.provenance)


def test_only_what_differs_from_what_was_accepted_is_suspect(
    tmp_path: Path, suite: Suite, records: list[Record], reference: accepted.Accepted
) -> None:
    for each in records:
        save(tmp_path, each)
    timed = [case for case in suite.cases if not case.is_baseline]
    assert suspects(suite, timed, tmp_path, reference) == []
    slow = speed_of(records, "strong", **interval("speedup", 1.7))
    save(tmp_path, slow)
    assert suspects(suite, timed, tmp_path, reference) == [Suspect(slow.case, by_throughput=False)]
    assert suspects(suite, timed, tmp_path, None) == [], "nothing has been accepted yet"


@pytest.mark.parametrize(
    ("ratio", "runs", "is_suspect"),
    [
        (1.85, 2, True),
        (1.9, MOST_RUNS - 1, True),
        (1.9, MOST_RUNS, False),
        (1.8, CONFIRMED - 1, True),
        (1.8, CONFIRMED, False),
        (1.0, 1, True),
        (1.0, 2, False),  # half as fast: no doubt
        (1.92, 1, False),  # slower by less than matters
        (2.4, 1, True),
        (2.4, 2, False),
    ],
)
def test_what_looks_slower_is_timed_until_it_is_known(
    tmp_path: Path,
    suite: Suite,
    records: list[Record],
    reference: accepted.Accepted,
    ratio: float,
    runs: int,
    is_suspect: bool,
) -> None:
    stored = speed_of(records, "strong", **interval("speedup", ratio), runs=runs)
    save(tmp_path, stored)
    assert [each.case for each in suspects(suite, [stored.case], tmp_path, reference)] == [stored.case] * is_suspect


@pytest.mark.parametrize(("quantity", "is_suspect"), [("speedup", True), ("throughput_speedup", False)])
def test_what_only_may_be_slower_is_timed_again_for_batch_1(
    tmp_path: Path,
    suite: Suite,
    records: list[Record],
    reference: accepted.Accepted,
    quantity: str,
    is_suspect: bool,
) -> None:
    stored = speed_of(records, "strong", **interval(quantity, 1.95, width=0.1))
    save(tmp_path, stored)
    assert [each.case for each in suspects(suite, [stored.case], tmp_path, reference)] == [stored.case] * is_suspect


def test_two_runs_are_pooled(records: list[Record]) -> None:
    old = speed_of(records, "mild")

    def run(method: float, rounds: int) -> Record:
        times = {"baseline": [0.4] * rounds, "method": [method] * rounds}
        samples = {"latency_s": {**times, "control": [0.4] * rounds}, "throughput_s": times, "throughput_batch": 2}
        return record("speed", old.case, {"runs": 1}, samples, {**old.provenance, "time": f"after {method}"})

    pooled = together(run(0.2, 2), run(0.1, 6))
    assert pooled.values["runs"] == 2
    assert pooled.values["speedup"] == pytest.approx(4)
    assert pooled.values["speedup_low"] < 3 < pooled.values["speedup_high"]
    thrice = together(pooled, run(0.1, 3))
    assert thrice.values["runs"] == 3
    assert thrice.samples["rounds_of_runs"] == [2, 6, 3]
    assert thrice.samples["latency_s"]["method"] == [0.2] * 2 + [0.1] * 9
    assert pooled.samples["latency_s"]["method"] == [0.2] * 2 + [0.1] * 6
    assert pooled.samples["rounds_of_runs"] == [2, 6]
    assert pooled.provenance["time"] == "after 0.1"
