from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from hourglass.bench.results.records import Record
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


def test_a_run_is_known_again_by_its_measurements(described: list[Run], records: list[Record]) -> None:
    assert runs(records) == described
    other = records[0].model_copy(update={"values": {"miou": 0.5}})
    assert runs([other, *records[1:]])[0].id != described[0].id
    assert len({run.id for run in described}) == len(described)


def test_runs_are_logged_offline_without_credentials(
    described: list[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    folder = tmp_path / "tracking"
    for _ in range(2):
        assert track(described[:2], folder, timeout=300) == f"tracked 2 runs, offline, in {folder}"
    logged = list(folder.glob("wandb/offline-run-*/*.wandb"))
    assert sorted(path.stem.removeprefix("run-") for path in logged) == sorted(run.id for run in described[:2])
    assert not [path for path in folder.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


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
