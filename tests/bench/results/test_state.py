from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from hourglass.bench import datasets, models
from hourglass.bench.results.jobs import jobs
from hourglass.bench.results.records import Record, path_of, record, save
from hourglass.bench.results.state import State, forget_failure, in_numbers, note_failure, states
from hourglass.bench.suites.case import Measurement
from hourglass.bench.suites.suite import Suite


@pytest.fixture
def data(tmp_path: Path) -> Path:
    ready = tmp_path / "data" / "scenes" / "ready.json"
    ready.parent.mkdir(parents=True)
    ready.write_text(json.dumps({"version": datasets.DATASETS.get("scenes").version, "location": ".", "splits": {}}))
    os.utime(ready, (1, 1))
    return tmp_path / "data"


@pytest.fixture
def results(tmp_path: Path, suite: Suite, records: list[Record]) -> Path:
    """Measurements with the weights that the models have now."""
    for each in records:
        save(tmp_path / "results", _with(each, weights=models.card(each.case.model).weights_key))
    return tmp_path / "results"


def _with(each: Record, **provenance: Any) -> Record:
    return record(each.measurement, each.case, each.values, each.samples, {**each.provenance, **provenance})


def found(suite: Suite, results: Path, data: Path, device: str = "cpu") -> dict[tuple[str, str], State]:
    of_first = [each for each in states(suite, results=results, data=data, device=device) if "seg" in each.case.task]
    return {(each.case.plan, each.measurement): each for each in of_first}


def test_what_is_measured_is_finished(suite: Suite, results: Path, data: Path) -> None:
    everything = states(suite, results=results, data=data)
    assert in_numbers(everything) == "13 finished"
    assert jobs(suite, everything) == []


def test_nothing_is_there_at_first(suite: Suite, tmp_path: Path, data: Path) -> None:
    everything = states(suite, results=tmp_path / "none", data=data)
    assert in_numbers(everything) == "13 missing"
    assert [(job.name, len(job.cases)) for job in jobs(suite, everything)] == [
        ("accuracy_segmenter_scenes_scenes", 3),
        ("cost_example", 5),
        ("speed_example", 3),
        ("accuracy_dpt_scenes_scenes", 2),
    ]


def test_a_job_makes_only_what_is_due(suite: Suite, results: Path, data: Path) -> None:
    strong = suite.cases[2]
    path_of(results, strong, "speed").unlink()
    (job,) = jobs(suite, states(suite, results=results, data=data))
    assert (job.measurement, job.cases) == ("speed", (strong,))


def test_a_limit_makes_jobs_smaller_whose_names_do_not_depend_on_what_is_due(suite: Suite, results: Path, data: Path):
    path_of(results, suite.cases[2], "accuracy").unlink()
    (job,) = jobs(suite, states(suite, results=results, data=data), most=1)
    assert job.name == "accuracy_segmenter_scenes_scenes_2"


def test_accuracy_in_shards_is_no_job_here(suite: Suite, tmp_path: Path, data: Path) -> None:
    split = suite.model_copy(update={"shards": 2})
    made = jobs(split, states(split, results=tmp_path / "none", data=data))
    assert {job.measurement for job in made} == {"cost", "speed"}


@pytest.mark.parametrize(
    ("measurement", "provenance", "reason"),
    [
        ("accuracy", {"device": "cuda"}, "device: cpu is asked for, it was measured on cuda"),
        ("speed", {"weights": "other"}, "the weights of 'segmenter-scenes' have changed"),
        ("accuracy", {"protocol": "flipped"}, "the protocol of 'segmenter-scenes' has changed"),
    ],
)
def test_what_was_measured_otherwise_is_stale(
    suite: Suite,
    results: Path,
    data: Path,
    records: list[Record],
    measurement: Measurement,
    provenance: dict[str, str],
    reason: str,
) -> None:
    mild = suite.cases[1]
    old = next(each for each in records if (each.case, each.measurement) == (mild, measurement))
    weights = models.card(mild.model).weights_key
    save(results, _with(old, **{"weights": weights, **provenance}))
    state = found(suite, results, data)["mild", measurement]
    assert (state.status, state.reason, state.is_due) == ("stale", reason, True)


def test_other_settings_and_damaged_files_are_stale(suite: Suite, results: Path, data: Path) -> None:
    mild, strong = suite.cases[1:3]
    path = path_of(results, mild, "cost")
    path.write_text(path.read_text().replace('"start": 6', '"start": 5'))
    path_of(results, strong, "cost").write_text("{")
    state = found(suite, results, data)
    assert "measured with other settings" in state["mild", "cost"].reason
    assert "Invalid JSON" in state["strong", "cost"].reason
    assert {state[plan, "cost"].status for plan in ("mild", "strong")} == {"stale"}


def test_new_data_makes_accuracy_and_speed_stale(suite: Suite, results: Path, data: Path) -> None:
    ready = data / "scenes" / "ready.json"
    os.utime(ready)
    os.utime(path_of(results, suite.cases[1], "speed"), (2, 2))
    assert found(suite, results, data)["mild", "speed"].reason == "the data set 'scenes' was prepared again"
    ready.write_text(ready.read_text().replace(datasets.DATASETS.get("scenes").version, "0"))
    os.utime(ready, (1, 1))
    state = found(suite, results, data)
    assert {each.status for (_, measurement), each in state.items() if measurement != "cost"} == {"stale"}
    assert state["mild", "accuracy"].reason == "the data set 'scenes' has a new version"
    assert state["mild", "cost"].status == "finished"


def test_a_failure_is_remembered_until_something_is_measured(suite: Suite, tmp_path: Path, data: Path) -> None:
    mild = suite.cases[1]
    note_failure(tmp_path, mild, "speed", "out of memory")
    state = found(suite, tmp_path, data)["mild", "speed"]
    assert (state.status, state.reason, state.is_due) == ("failed", "out of memory", True)
    path_of(tmp_path, mild, "speed").with_suffix(".error").write_bytes(b"\xff")
    assert found(suite, tmp_path, data)["mild", "speed"].status == "failed"
    forget_failure(tmp_path, mild, "speed")
    assert found(suite, tmp_path, data)["mild", "speed"].status == "missing"


def test_what_cannot_be_measured_here_is_left_out(suite: Suite, tmp_path: Path, data: Path) -> None:
    left_out = {suite.cases[0].id: "a download by hand"}
    accuracy, cost = states(suite, results=tmp_path, data=data, left_out=left_out)[:2]
    assert (accuracy.status, accuracy.reason, accuracy.is_due) == ("left out", "a download by hand", False)
    assert cost.status == "missing", "a cost needs no data"
