"""The workflow with stand-ins for what it measures: what runs when, and what is left when something goes wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

CALLS = ["accuracy full", "accuracy mild", "cost full", "cost mild", "speed mild"]

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("workflow")]


def test_a_run_measures_everything_once_and_publishes_it(finished: Any) -> None:
    assert finished.calls() == CALLS
    published = {"results.csv", "verdict.json", "report.html", "tracking.json", "passed", "tables"}
    assert published <= {path.name for path in finished.results.iterdir()}
    tables = {path.name for path in (finished.results / "tables").iterdir()}
    assert tables == {f"{n}.{end}" for n in ("front", "headline", "looking") for end in ("md", "tex", "csv", "html")}
    assert len(list(finished.results.glob("tracking/wandb/offline-run-*"))) == 2
    logs = {path.name for path in (finished.results / "logs").iterdir()}
    assert {"check.log", "speed_tiny.log"} <= logs


def test_snakemake_makes_a_report_of_its_own(finished: Any, tmp_path: Path) -> None:
    folder = finished.copy(tmp_path / "work")
    run = folder.run("--report", "whole.html")
    assert not run.returncode, run.stdout
    for name in ("results.csv", "verdict.json", "headline.md", "report.html"):
        assert f"Adding {name}" in run.stdout
    assert (folder.path / "whole.html").is_file()


def test_pictures_are_files_of_the_workflow(finished: Any) -> None:
    for case in finished.results.glob("*.*.*.*"):
        assert (case / "gallery.json").is_file() == (case / "accuracy.json").is_file()


def test_a_second_run_has_nothing_to_do(finished: Any) -> None:
    run = finished.run()
    assert not run.returncode
    assert "Nothing to be done" in run.stdout
    assert finished.calls() == CALLS


def test_a_dry_run_tells_the_truth_and_does_nothing(folder: Any) -> None:
    run = folder.run("--dry-run", "--quiet", "reason")
    assert not run.returncode, run.stdout
    jobs = dict(line.split() for line in run.stdout.splitlines() if len(line.split()) == 2 and line[-1].isdigit())
    for name in ("cost_tiny", "accuracy_eye_near", "speed_tiny", "check"):
        assert jobs[name] == "1"
    for case in ("baseline.full", "squeeze.mild"):
        assert f"{case}/cost.json" in run.stdout
    assert not folder.results.exists()


def test_a_new_plan_runs_only_what_is_new(finished: Any, tmp_path: Path) -> None:
    folder = finished.copy(tmp_path / "work")
    with folder.suite.open("a") as suite:
        suite.write("        strong: { start: 3, clusters: [16, 16] }\n")
    run = folder.run()
    assert run.returncode, "the new plan has not been accepted"
    assert folder.calls() == sorted([*CALLS, "accuracy strong", "cost strong", "speed strong"])
    assert "strong" in (folder.results / "tables" / "looking.md").read_text()
    assert "3 missing" in run.stdout


@pytest.mark.parametrize(
    ("old", "new", "again", "told"),
    [
        ("start: 6", "start: 5", CALLS[1::2] + CALLS[4:], "settings: {'start': 5, 'clusters': [24, 24]} now"),
        ("batch: 2", "batch: 1", CALLS, "batch: 1 now, 2 accepted"),
        ("version: 1", "version: 1\nprecision: bfloat16", CALLS, "precision: bfloat16 now, float32 accepted"),
    ],
    ids=["plan", "batch", "precision"],
)
def test_what_is_planned_otherwise_is_measured_again(
    finished: Any, tmp_path: Path, old: str, new: str, again: list[str], told: str
) -> None:
    folder = finished.copy(tmp_path / "work")
    folder.suite.write_text(folder.suite.read_text().replace(old, new))
    run = folder.run()
    assert run.returncode
    assert "not comparable" in run.stdout
    assert told in run.stdout
    assert folder.calls() == sorted([*CALLS, *again])


def test_a_measurement_that_was_deleted_is_made_again(finished: Any, tmp_path: Path) -> None:
    folder = finished.copy(tmp_path / "work")
    deleted = [next(folder.results.glob(f"*.mild/{kind}.json")) for kind in ("cost", "speed")]
    for path in deleted:
        path.unlink()
    run = folder.run()
    assert not run.returncode, run.stdout
    assert folder.calls() == sorted([*CALLS, "cost mild", "speed mild"])
    assert all(path.is_file() for path in deleted)


def test_a_regression_fails_by_name_after_everything_is_published(finished: Any, tmp_path: Path) -> None:
    folder = finished.copy(tmp_path / "work")
    accepted = folder.path / "tables" / "accepted" / "tiny.yaml"
    accepted.write_text(accepted.read_text().replace("miou: 0.745625", "miou: 0.755"))
    run = folder.run()
    assert run.returncode
    said = "regressed: looking.eye.near.squeeze.mild: accuracy miou: 0.745625 now, 0.755"
    assert said in run.stdout
    assert "verdict: failed" in (folder.results / "report.html").read_text()
    assert 'class="number regressed"' in (folder.results / "tables" / "looking.html").read_text()
    assert not (folder.results / "passed").exists()
    assert folder.hourglass("check", "tiny.yaml").returncode == 1


def test_one_broken_case_leaves_the_others_measured(folder: Any) -> None:
    with folder.suite.open("a") as suite:
        suite.write("        broken: { start: 9, clusters: [16, 16] }\n")
    run = folder.run("--keep-going", "--show-failed-logs")
    assert run.returncode
    assert "broken: method 'hourglass': plan.start is beyond the last block" in run.stdout
    assert folder.calls() == sorted([*CALLS, "cost broken", "speed broken"])
    assert not list(folder.results.glob("*.broken/accuracy.json"))
    made = folder.run("tables", "verdict", "report", config=("measure=false",))
    assert not made.returncode, made.stdout
    assert "mild" in (folder.results / "tables" / "looking.md").read_text()
    assert "broken: accuracy: was not measured; run the suite" in folder.hourglass("check", "tiny.yaml").stdout


def test_two_jobs_never_share_a_gpu(folder: Any) -> None:
    with folder.suite.open("a") as suite:
        suite.write("        strong: { start: 3, clusters: [16, 16] }\n")
    run = folder.run("accuracy", device="cuda", config=("cases_per_job=1",))
    assert not run.returncode, run.stdout
    assert folder.calls() == ["accuracy full", "accuracy mild", "accuracy strong"]


def test_each_of_several_gpus_has_one_job(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    with folder.suite.open("a") as suite:
        suite.write("        strong: { start: 3, clusters: [16, 16] }\n")
    profile = ("--workflow-profile", "workflows/profiles/gpu", "--resources", "gpu=2")
    asked = folder.snakemake("accuracy", "--cores", "3", *profile, device="cuda", config=("cases_per_job=1",))
    run = folder.command(*asked)
    assert not run.returncode, run.stdout
    assert folder.calls() == ["accuracy full", "accuracy mild", "accuracy strong"]
    assert set((folder.path / "gpus.txt").read_text().split()) == {"4", "7"}


def test_a_killed_run_goes_on_where_it_was(folder: Any, finished: Any) -> None:
    assert folder.run("cost").returncode == 0
    done = {path: path.stat().st_mtime_ns for path in folder.results.glob("*/cost.json")}
    assert len(done) == 2
    (folder.path / "slow").touch()
    with folder.started("--cores", "2") as run:
        _wait_until(lambda: len(folder.calls()) > 2)
        os.killpg(run.pid, signal.SIGKILL)
    (folder.path / "slow").unlink()
    assert list((folder.path / ".snakemake" / "locks").iterdir()), "the killed run left its lock behind"
    again = folder.run()
    assert "nothing has been accepted yet" in again.stdout, again.stdout
    assert folder.values() == finished.values()
    assert {path: path.stat().st_mtime_ns for path in done} == done


def test_jobs_that_outlive_their_snakemake_keep_the_next_run_away(folder: Any) -> None:
    (folder.path / "slow").touch()
    with folder.started("--cores", "1") as run:
        _wait_until((folder.path / "calls.txt").exists)
        run.kill()
        run.wait()
        again = folder.run()
        os.killpg(run.pid, signal.SIGKILL)
    assert again.returncode
    assert "of a run that was killed still runs here; wait until it has ended, or end it with `kill" in again.stdout
    assert len(folder.calls()) == 1, "nothing was measured beside it"


def test_a_killed_run_loses_at_most_its_shard(folder: Any) -> None:
    folder.suite.write_text(folder.suite.read_text() + "shards: 2\n")
    baseline = "results/tiny/looking.eye.near.baseline.full"
    assert folder.run(f"{baseline}/shards/2-of-2.json").returncode == 0
    run = folder.run("accuracy")
    assert not run.returncode, run.stdout
    once = sorted(f"shard {number}/2 {plan}" for plan in ("full", "mild") for number in (1, 2))
    assert folder.calls() == once
    record = json.loads((folder.path / baseline / "accuracy.json").read_text())
    assert (record["values"], record["provenance"]["shards"]) == ({"miou": 0.5}, 2)
    assert folder.run("accuracy").returncode == 0
    assert folder.calls() == once


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("images: 2", "image: 2", "tiny.yaml:9: experiments.0.image: unknown field 'image'; did you mean 'images'?"),
        ("near\n    images", "nearer\n    images", "tiny.yaml:8: experiments.0.dataset: unknown dataset 'nearer'"),
        ("miou", "iou", "accuracy.metric: unknown metric 'iou'; did you mean 'miou'?"),
    ],
)
def test_a_bad_suite_is_one_line_before_any_job(folder: Any, old: str, new: str, message: str) -> None:
    folder.suite.write_text(folder.suite.read_text().replace(old, new))
    run = folder.run()
    assert run.returncode
    assert message in run.stdout
    assert "Traceback" not in run.stdout
    assert not folder.results.exists()


@pytest.mark.parametrize("name", ["123", ""])
def test_a_name_that_snakemake_reads_as_something_else_is_one_line(folder: Any, name: str) -> None:
    run = folder.command(sys.executable, "-m", "snakemake", "--dry-run", "--cores", "1", "--config", f"suite={name}")
    assert run.returncode
    assert f"hourglass: unknown suite '{name}'; known: " in run.stdout
    assert "Traceback" not in run.stdout


def test_a_suite_may_lie_in_a_folder_with_a_space(folder: Any) -> None:
    (folder.path / "my suites").mkdir()
    moved = folder.suite.rename(folder.path / "my suites" / "tiny.yaml")
    run = folder.command(
        *(sys.executable, "-m", "snakemake", "--cores", "1", "--dry-run", "--printshellcmds"),
        *("--config", f"suite={moved.relative_to(folder.path)}"),
    )
    assert not run.returncode, run.stdout
    commands = re.findall(r"\bhourglass (cost|accuracy|speed|verdict|tables|report|check) (.*)", run.stdout)
    assert {"cost", "accuracy", "verdict", "tables"} <= {command for command, _ in commands}, run.stdout
    assert all(arguments.startswith("'my suites/tiny.yaml' ") for _, arguments in commands), commands


def _wait_until(happened: Any) -> None:
    deadline = time.monotonic() + 300
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.1)
