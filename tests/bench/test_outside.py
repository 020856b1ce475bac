"""A folder outside of the repository adds one of everything, and its suite uses them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

BASELINE, HALF, TENTH = (
    f"semantic-segmentation.nearest-color.flags.{plan}" for plan in ("baseline.full", "coarse.half", "coarse.tenth")
)


ENCODER = "semantic-segmentation.plain-encoder.flags"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shutil.copytree(Path(__file__).with_name("outside"), tmp_path_factory.mktemp("elsewhere") / "mine")


@pytest.fixture(scope="module")
def hourglass(folder, tmp_path_factory):
    """Runs a command in an empty folder; what it prints."""
    work = tmp_path_factory.mktemp("work")

    def run(*arguments: str, fails: bool = False) -> str:
        command = [sys.executable, "-m", "hourglass", *arguments, "--include", str(folder)]
        done = subprocess.run(command, cwd=work, text=True, capture_output=True)
        assert bool(done.returncode) == fails, done.stderr
        return done.stderr if fails else done.stdout

    run.results = work / "results" / "suite"
    return run


@pytest.fixture(scope="module")
def measured(hourglass, folder):
    suite = str(folder / "suite.yaml")
    assert hourglass("validate", suite) == "suite: 2 experiments, 5 cases, all valid\n"
    hourglass("prepare", "flags")
    for command in ("accuracy", "cost", "speed"):
        hourglass(command, suite)
    return suite


def values(hourglass, case: str, measurement: str) -> dict[str, float]:
    return json.loads((hourglass.results / case / f"{measurement}.json").read_text())["values"]


def test_its_names_are_listed_beside_the_projects_own(hourglass) -> None:
    for kind, name in (
        ("models", "nearest-color"),
        ("datasets", "flags"),
        ("methods", "coarse"),
        ("encoders", "plain"),
    ):
        names = hourglass("list", kind).split()
        assert name in names
        assert len(names) > 3
    metrics = hourglass("list", "metrics").split()
    assert {"semantic-segmentation/worst_iou", "semantic-segmentation/pixel_accuracy"} <= set(metrics)


def test_everything_is_measured_by_the_command_line(hourglass, measured) -> None:
    assert values(hourglass, BASELINE, "accuracy")["worst_iou"] == values(hourglass, BASELINE, "accuracy")["miou"] == 1
    assert values(hourglass, HALF, "accuracy")["worst_iou"] == 1, "the stripes are 16 pixels wide"
    assert 0.5 < values(hourglass, TENTH, "accuracy")["worst_iou"] < 1
    assert (
        values(hourglass, HALF, "cost")["gmacs_executed"] == values(hourglass, BASELINE, "cost")["gmacs_executed"] / 4
    )
    assert values(hourglass, HALF, "speed")["speedup"] > 0


def test_an_encoder_of_its_own_is_accelerated(hourglass, measured) -> None:
    costs = [values(hourglass, f"{ENCODER}.{plan}", "cost") for plan in ("baseline.full", "hourglass.small")]
    assert costs[0]["gmacs_operators"] == 0 < costs[1]["gmacs_operators"]
    assert not (hourglass.results / f"{ENCODER}.baseline.full" / "accuracy.json").exists()


def test_shards_merge_a_metric_of_its_own(hourglass, measured) -> None:
    whole = values(hourglass, TENTH, "accuracy")
    for shard in ("1/2", "2/2"):
        hourglass("accuracy", measured, TENTH, "--shard", shard)
    hourglass("merge", measured, TENTH, "--shards", "2")
    assert values(hourglass, TENTH, "accuracy") == whole


def test_its_metric_is_a_column(hourglass, measured, folder) -> None:
    hourglass("tables", measured, "--tables", str(folder / "tables"))
    table = (hourglass.results / "tables" / "flags.md").read_text()
    assert "| Worst IoU |" in table
    assert "| 1.000 |" in table


def test_results_say_which_files_made_them(hourglass, measured) -> None:
    stored = json.loads((hourglass.results / BASELINE / "accuracy.json").read_text())
    assert len(stored["provenance"]["included"]) == 64


def test_a_name_that_is_taken_is_one_line(hourglass, folder) -> None:
    content = "from hourglass.methods import METHODS\n\nMETHODS.register('tome', METHODS.get('baseline'))\n"
    (folder / "again.py").write_text(content)
    try:
        said = hourglass("list", "methods", fails=True)
    finally:
        (folder / "again.py").unlink()
    assert said == f"hourglass: {folder}/again.py:3: method: the name 'tome' is taken; choose another one\n"
