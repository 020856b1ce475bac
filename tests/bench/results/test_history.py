from __future__ import annotations

from pathlib import Path

import pytest

from hourglass.bench.results import accepted, history
from hourglass.bench.results.outcome import Outcome
from hourglass.bench.results.records import Record, record, save
from hourglass.bench.suites.suite import Suite


def test_a_run_is_remembered_once(tmp_path: Path, records: list[Record]) -> None:
    run = history.run_of(records)
    assert run is not None
    assert run.machine == "cpu, a processor, 2 threads"
    assert len(run.ratios) == 3
    for _ in range(2):
        history.append(tmp_path, "example", run)
    assert history.load(tmp_path, "example", run.machine) == [run]
    assert history.load(tmp_path, "example", "another machine") == []


def test_only_the_last_runs_count(tmp_path: Path) -> None:
    for number in range(history.NIGHTS + 3):
        history.append(
            tmp_path,
            "example",
            history.Run(key=f"{number}", machine="m", ratios={"case": (1.0, 1.0 + number, 20.0, 1)}),
        )
    loaded = history.load(tmp_path, "example", "m")
    assert [run.key for run in loaded] == [f"{number}" for number in range(3, history.NIGHTS + 3)]
    assert history.by_case(loaded)["case"][-1].value == history.NIGHTS + 3


def test_a_damaged_line_is_left_out(tmp_path: Path) -> None:
    history.append(tmp_path, "example", history.Run(key="a", machine="m", ratios={}))
    file = tmp_path / "history" / "example.jsonl"
    odd = b'{"key": 1\nnothing\n{"other": 2}\n\xff\xfe\nnull\n'
    for ratio in (b"[-1, 1, 2, 1]", b"1", b"[1, 2]"):
        odd += b'{"key": "b", "machine": "m", "ratios": {"case": %s}}\n' % ratio
    file.write_bytes(odd + b"[" * 100_000 + b"\n" + file.read_bytes())
    assert [run.key for run in history.load(tmp_path, "example", "m")] == ["a"]


def test_without_speeds_or_of_two_machines_there_is_no_run(suite: Suite, records: list[Record]) -> None:
    assert history.run_of([each for each in records if each.measurement != "speed"]) is None
    elsewhere = [
        record(e.measurement, e.case, e.values, e.samples, {**e.provenance, "machine": e.case.plan}) for e in records
    ]
    assert history.run_of(elsewhere) is None


def test_steady_nights_make_the_margin_narrow_and_restless_ones_wide(
    tmp_path: Path, suite: Suite, records: list[Record]
) -> None:
    """The same 8 % slower case, after nights of which the speed-ups differ by less or more."""
    accepted.accept(tmp_path / "tables", suite, records, "first results")
    slow = []
    for each in records:
        if each.measurement == "speed" and each.case.plan == "strong":
            values = {
                **each.values,
                **{f"speedup{end}": 1.84 * f for end, f in (("_low", 0.99), ("", 1), ("_high", 1.01))},
            }
            each = record("speed", each.case, values, each.samples, each.provenance)
        slow.append(each)
    for each in slow:
        save(tmp_path / "results", each)
    for steps, found in ((0.001, "regressed"), (0.05, "inconclusive")):
        for night in range(6):
            ratio = 1 + steps * (-1) ** night
            ratios = {case.id: (ratio * 0.99, ratio, ratio * 1.01, 1) for case in suite.cases if not case.is_baseline}
            run = history.Run(key=f"{steps}-{night}", machine="cpu, a processor, 2 threads", ratios=ratios)
            history.append(tmp_path / "results", "example", run)
        outcome = Outcome.load(suite, results=tmp_path / "results", tables=tmp_path / "tables", data=tmp_path / "data")
        (verdict,) = [v for v in outcome.verdicts if v.quantity == "speedup" and v.case.endswith("strong")]
        assert verdict.status == found
        (tmp_path / "results" / "history" / "example.jsonl").unlink()


@pytest.mark.parametrize(("same", "found"), [(True, True), (False, False)])
def test_nights_count_that_were_compared_with_the_same_results(
    tmp_path: Path, suite: Suite, records: list[Record], same: bool, found: bool
) -> None:
    """An improvement is accepted: the nights before it were slower, which is no regression."""
    accepted.accept(tmp_path / "tables", suite, records, "faster")
    against = accepted.digest(accepted.load(tmp_path / "tables", suite)) if same else "what was accepted before"
    for each in records:
        save(tmp_path / "results", each)
    now = history.run_of(records)
    assert now is not None
    for night in range(6):
        ratios = {
            case: (low * 0.9, value * 0.9, high * 0.9, runs) for case, (low, value, high, runs) in now.ratios.items()
        }
        run = history.Run(key=f"{night}", machine=now.machine, ratios=ratios, against=against)
        history.append(tmp_path / "results", "example", run)
    outcome = Outcome.load(suite, results=tmp_path / "results", tables=tmp_path / "tables", data=tmp_path / "data")
    assert any(verdict.quantity == "speedup over nights" for verdict in outcome.verdicts) == found
    assert outcome.run is not None
    assert (outcome.run.against == against) == same
