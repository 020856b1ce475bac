from __future__ import annotations

from pathlib import Path

import pytest

from hourglass.bench.results.accepted import accept, load
from hourglass.bench.results.judging import judge
from hourglass.bench.results.records import Record, comparable
from hourglass.bench.results.verdict import passed
from hourglass.bench.suites.suite import Suite
from hourglass.registry import UserError


def test_what_was_accepted_passes(tmp_path: Path, suite: Suite, records: list[Record]) -> None:
    assert load(tmp_path, suite) is None
    accept(tmp_path, suite, records, "first results")
    accepted = load(tmp_path, suite)
    assert accepted is not None
    assert (accepted.reason, accepted.commits) == ("first results", ("c0ffee",))
    assert passed(judge(suite, comparable(records), accepted.cases, suite.all_metrics()))


def test_only_judged_quantities_are_kept(tmp_path: Path, suite: Suite, records: list[Record]) -> None:
    accept(tmp_path, suite, records, "first results")
    accepted = load(tmp_path, suite)
    assert accepted is not None
    kept = accepted.cases[suite.cases[1].id]
    assert set(kept["accuracy"].values) == {"miou", "pixel_accuracy", "class_accuracy"}
    ratios = {f"{ratio}{end}" for ratio in ("speedup", "throughput_speedup") for end in ("_low", "", "_high")}
    assert set(kept["speed"].values) == {*ratios, "baseline_latency_ms", "runs"}


def test_results_of_another_suite_are_refused(tmp_path: Path, suite: Suite, records: list[Record]) -> None:
    accept(tmp_path, suite, records, "first results")
    path = tmp_path / "accepted" / "example.yaml"
    path.write_text(path.read_text().replace("suite: example", "suite: other"))
    with pytest.raises(UserError, match=r"example\.yaml: suite: is 'other', not 'example'"):
        load(tmp_path, suite)


def test_the_change_is_shown_as_a_diff(tmp_path: Path, suite: Suite, records: list[Record]) -> None:
    accept(tmp_path, suite, records, "first results")
    better = records[0].model_copy(update={"values": {**records[0].values, "miou": 0.8125}})
    changed = accept(tmp_path, suite, [better, *records[1:]], "trained for longer")
    removed = [line for line in changed.splitlines() if line.startswith("-") and not line.startswith("---")]
    added = [line for line in changed.splitlines() if line.startswith("+") and not line.startswith("+++")]
    others = "pixel_accuracy: 0.9, class_accuracy: null"
    assert removed == ["-reason: first results", f"-      values: {{miou: 0.75, {others}}}"]
    assert added == ["+reason: trained for longer", f"+      values: {{miou: 0.8125, {others}}}"]


@pytest.mark.parametrize("reason", ["", "  "])
def test_a_reason_is_needed(tmp_path: Path, suite: Suite, records: list[Record], reason: str) -> None:
    with pytest.raises(UserError, match="reason: is empty"):
        accept(tmp_path, suite, records, reason)


def test_only_whole_results_are_accepted(tmp_path: Path, suite: Suite, records: list[Record]) -> None:
    with pytest.raises(UserError, match="mild: speed was not measured; run the suite before accepting it"):
        accept(tmp_path, suite, records[:-1], "in a hurry")
    assert load(tmp_path, suite) is None


def test_of_what_is_left_out_the_old_stays(tmp_path: Path, suite: Suite, records: list[Record]) -> None:
    last = suite.cases[-1].id
    some = [record for record in records if record.case.id != last or record.measurement == "cost"]
    accept(tmp_path, suite, some, "the last case cannot be obtained here", left_out={last})
    first = load(tmp_path, suite)
    assert first is not None
    assert set(first.cases[last]) == {"cost"}
    accept(tmp_path, suite, records, "here it can")
    before = load(tmp_path, suite)
    accept(tmp_path, suite, some, "again without it", left_out={last})
    after = load(tmp_path, suite)
    assert before is not None
    assert after is not None
    assert after.cases == before.cases
    assert list(after.cases) == [case.id for case in suite.cases]
