from __future__ import annotations

import json
import struct
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hourglass.bench.results.records import Record
from hourglass.bench.tracking import pictures
from hourglass.bench.tracking.runs import Run, runs
from hourglass.bench.tracking.track import track

KEY = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def described(records: list[Record]) -> list[Run]:
    return runs(records)


def test_one_run_a_case(described: list[Run], records: list[Record]) -> None:
    assert [run.name for run in described] == list(dict.fromkeys(record.case.id for record in records))
    first = described[0]
    assert first.summary["accuracy/miou"] == 0.75
    assert "accuracy/class_accuracy" not in first.summary, "does not apply"
    assert first.config["case"]["model"] == "segmenter-scenes"
    assert first.config["provenance"]["cost"]["commit"] == "c0ffee"


def at(records: Sequence[Record], time: str, machine: str = "a processor") -> list[Record]:
    """The same measurements, made at another time or on another machine."""
    return [r.model_copy(update={"provenance": {**r.provenance, "time": time, "machine": machine}}) for r in records]


def test_a_case_has_one_run_on_each_machine_that_grows_by_a_point_a_night(records: list[Record]) -> None:
    assert runs(records) == runs(records)
    assert runs(records)[0].step == 0, "measurements that do not say when they were made"
    first, second = (runs(at(records, f"2026-01-0{day}T02:00:00+00:00")) for day in (1, 2))
    assert [run.id for run in first] == [run.id for run in second]
    assert {after.step - before.step for before, after in zip(first, second, strict=True)} == {24 * 60}
    other = runs(at(records, "2026-01-01T02:00:00+00:00", "another processor"))
    assert not {run.id for run in other} & {run.id for run in first}
    assert len({run.id for run in first}) == len(first)


def test_what_a_run_is_about_stands_in_its_tags(described: list[Run]) -> None:
    assert described[1].tags == ("example", "semantic-segmentation", "segmenter-scenes", "scenes", "hourglass")


def test_pictures_stand_beside_the_baselines(records: list[Record], results: Path) -> None:
    baseline, mild = runs(records, results)[:2]
    columns, (row,) = pictures.rows(mild.galleries, mild.job_type)
    cells = dict(zip(columns, row, strict=True))
    assert (cells["image"], cells["miou"], cells["x"]) == ("photo", 0.5, None)
    for name in ("input", "ground truth", "baseline", "prediction", "difference"):
        assert cells[name].shape == (24, 32, 3), name
    assert cells["clusters"] is None
    assert (cells["difference"] != cells["input"]).any()
    assert pictures.rows({"own": str(results / "nowhere.json")}, mild.job_type)[1] == []
    assert set(baseline.galleries) == {"own", "baseline"}


def test_pictures_are_those_of_their_task(records: list[Record], results: Path) -> None:
    mild = runs(records, results)[1]
    columns, (row,) = pictures.rows(mild.galleries, "saliency-agreement")
    assert columns[2] == "untouched model"
    assert "ground truth" not in columns
    labels = pictures.rows(mild.galleries, "semantic-segmentation")[1][0]
    differ = columns.index("difference")
    assert (row[differ] != labels[differ]).any(), "where colours stand for numbers, a small difference is a small one"


def logged(file: Path) -> list[Any]:
    """What an offline run holds: the log format of LevelDB with messages of the service's own client."""
    from wandb.proto import wandb_internal_pb2 as messages

    content, place, parts, found = file.read_bytes(), 7, b"", []
    while place + 7 <= len(content):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        _, length, kind = struct.unpack("<IHB", content[place : place + 7])
        parts += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            found.append(messages.Record.FromString(parts))
            parts = b""
    return found


def values_of(items: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def test_runs_are_logged_offline_without_credentials(
    records: list[Record], results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    folder = tmp_path / "tracking"
    described = runs(at(records, "2026-01-01T02:00:00+00:00"), results)[:2]
    assert track(described, folder, timeout=300) == f"tracked 2 runs, offline, in {folder}"
    files = sorted(folder.glob("wandb/offline-run-*/*.wandb"))
    assert sorted(path.stem.removeprefix("run-") for path in files) == sorted(run.id for run in described)
    assert not [path for path in folder.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]

    mild = described[1]
    (file,) = (path for path in files if mild.id in path.name)
    held = logged(file)
    (run,) = (each.run for each in held if each.HasField("run"))
    assert (run.run_id, run.display_name, run.run_group, run.job_type) == (
        mild.id,
        mild.name,
        mild.group,
        mild.job_type,
    )
    assert set(run.tags) == set(mild.tags)
    history = [values_of(each.history.item) for each in held if each.HasField("history")]
    steps = {each.history.step.num for each in held if each.HasField("history")}
    assert steps == {mild.step}
    point = {name: value for each in history for name, value in each.items()}
    assert point["measured_at"] == 60 * mild.step
    assert {name: point[name] for name in mild.summary} == mild.summary
    assert (point["gallery/ncols"], point["gallery/nrows"]) == (9, 1)
    shown = json.loads(next(file.parent.glob("files/media/table/gallery*.json")).read_text())
    assert shown["columns"][:4] == ["image", "input", "ground truth", "baseline"]
    table, artifact = (each.artifact for each in held if each.HasField("artifact"))
    assert len([entry for entry in table.manifest.contents if entry.path.endswith(".jpg")]) == 3, "some are equal"
    assert all(Path(entry.local_path).is_relative_to(folder) for entry in artifact.manifest.contents)
    assert artifact.name == f"example.{mild.name}"
    kept = {entry.path for entry in artifact.manifest.contents}
    assert kept == {"accuracy.json", "cost.json", "speed.json", "gallery.json"}


@pytest.mark.parametrize("mode", ["", "  ", "on-line"])
def test_an_odd_mode_is_one_line(described: list[Run], tmp_path: Path, monkeypatch: Any, mode: str) -> None:
    monkeypatch.setenv("WANDB_MODE", mode)
    told = track(described, tmp_path / "tracking", timeout=60)
    said = f"is '{mode}'" if mode.strip() else "is empty"
    remedy = "set it to online, offline or disabled, or unset it"
    assert told == f"not tracked: WANDB_MODE: {said}; {remedy}; repeat with `hourglass track`"


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("raise ModuleNotFoundError(\"No module named 'wandb'\")", "ModuleNotFoundError: No module named 'wandb'"),
        ("raise SystemExit(3)", "exit code 3"),
        ("print('no answer')", "the answer was 'no answer'"),
    ],
)
def test_a_failure_is_a_sentence(described: list[Run], tmp_path: Path, program: str, reason: str) -> None:
    outcome = track(described, tmp_path / "tracking", timeout=60, command=[sys.executable, "-c", program])
    assert outcome == f"not tracked: {reason}; repeat with `hourglass track`"


def test_a_service_that_hangs_is_given_up(described: list[Run], tmp_path: Path) -> None:
    marker = tmp_path / "survived"
    child = f"import time; time.sleep(4); open({str(marker)!r}, 'w')"
    program = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(600)"
    outcome = track(described, tmp_path / "tracking", timeout=2, command=[sys.executable, "-c", program])
    assert outcome == "not tracked: Weights & Biases did not answer within 2 s; repeat with `hourglass track`"
    time.sleep(5)
    assert not marker.exists(), "what it started must end with it"


def test_what_is_handed_over_is_on_disk(described: list[Run], tmp_path: Path) -> None:
    track(described, tmp_path / "tracking", timeout=60, command=[sys.executable, "-c", "raise SystemExit(1)"])
    assert [run["name"] for run in json.loads((tmp_path / "tracking" / "runs.json").read_text())] == [
        run.name for run in described
    ]


def test_a_folder_that_cannot_be_emptied_is_no_reason_to_say_that_it_exists(
    described: list[Run], tmp_path: Path, monkeypatch: Any
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr("hourglass.bench.tracking.track.shutil.rmtree", lambda *_, **__: None)
    monkeypatch.setattr("hourglass.bench.tracking.track.write_json", refuse)
    with pytest.raises(PermissionError):
        track(described, tmp_path, timeout=5)
