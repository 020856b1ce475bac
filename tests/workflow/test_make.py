"""What `make` hands on of the names a user gives, with stand-ins for the commands that it calls."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = [
    "my suite.yaml",
    "a;touch X",
    "$(touch X)",
    "$(shell touch X)",
    "`touch X`",
    "it's",
    '"',
    "a & b",
    "*",
    "--help",
]
STAND_IN = """\
#!{python}
import json, os, sys
with open("calls.txt", "a") as calls:
    print(json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]), file=calls)
"""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
Make = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    for name in ("envs", "workflows", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "Makefile", tmp_path)
    commands = tmp_path / ".venv" / "bin"
    commands.mkdir(parents=True)
    for name in ("hourglass", "snakemake", "python"):
        (commands / name).write_text(STAND_IN.format(python=sys.executable))
        (commands / name).chmod(0o755)
    (tmp_path / ".venv" / ".ready").touch()

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        inherited = {name: text for name, text in os.environ.items() if name not in ("HOURGLASS_INCLUDE", "MAKEFLAGS")}
        return subprocess.run(
            ["make", *arguments], cwd=tmp_path, env=inherited | environment, text=True, capture_output=True
        )

    return run


def calls(folder: Path) -> list[list[str]]:
    return [json.loads(line) for line in (folder / "calls.txt").read_text().splitlines()]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_handed_on_as_it_is(make: Make, tmp_path: Path, name: str) -> None:
    before = {path.name for path in tmp_path.iterdir()}
    for target in ("suite", "plan", "check"):
        run = make(target, f"SUITE={name}", f"INCLUDE={name}")
        assert run.returncode == 0, run.stderr
    made = make("accept", f"REASON={name}", SUITE=name)
    assert made.returncode == 0, made.stderr
    profile = ["--workflow-profile", "workflows/profiles/local"]
    config = ["--config", f"suite={name}", f"include={name}"]
    assert calls(tmp_path) == [
        ["hourglass", "watch", "--", name, "snakemake", *profile, *config],
        ["snakemake", "--dry-run", *profile, *config],
        ["hourglass", "plan", "--", name],
        ["hourglass", "check", "--", name],
        ["hourglass", "accept", "--reason", name, "--", name],
    ]
    assert {path.name for path in tmp_path.iterdir()} == before | {"calls.txt"}


def test_a_folder_to_include_comes_from_either_variable(make: Make, tmp_path: Path) -> None:
    make("plan", HOURGLASS_INCLUDE="one")
    make("plan", "INCLUDE=two", HOURGLASS_INCLUDE="one")
    make("plan")
    told = [call[-1] for call in calls(tmp_path) if call[0] == "snakemake"]
    assert told == ["include=one", "include=two", "suite=embedded"]


@pytest.mark.parametrize("name", ["gpuu", "", "local gpu", "local;touch X", "../profiles/local"])
def test_an_unknown_profile_is_one_line(make: Make, tmp_path: Path, name: str) -> None:
    run = make(f"PROFILE={name}")
    assert run.returncode == 2
    assert len(run.stderr.splitlines()) == 1
    assert f"PROFILE: unknown profile '{name}'; known: gpu kubernetes local slurm." in run.stderr
    assert not (tmp_path / "calls.txt").exists()


def test_a_gpu_is_asked_for_by_its_profile(make: Make, tmp_path: Path) -> None:
    make("PROFILE=gpu", "CORES=3")
    (call,) = calls(tmp_path)
    assert call[:4] == ["hourglass", "watch", "--device", "cuda"]
    assert call[-6:] == ["--workflow-profile", "workflows/profiles/gpu", "--cores", "3", "--config", "suite=embedded"]


def test_a_model_to_train_is_a_name_too(make: Make, tmp_path: Path) -> None:
    make("train-a'b;touch X")
    assert calls(tmp_path) == [["hourglass", "train", "--", "a'b;touch X"]]
    assert make("env-mmsegg").returncode == 2
