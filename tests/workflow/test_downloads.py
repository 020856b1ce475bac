"""Downloads in the workflow: once, from where they were, and without those that want the user."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from ..web import Server

pytestmark = pytest.mark.slow

FAR = """\
  - task: looking
    model: eye
    dataset: far
    accuracy: { metric: miou, floor: 0.30, tolerance: 0.002 }
    methods:
      squeeze:
        mild: { start: 6, clusters: [24, 24] }
"""
CASE = "looking.eye.far.squeeze.mild"


@pytest.fixture
def far(folder: Any, server: Server, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A suite with a second data set, which is made of a download."""
    with folder.suite.open("a") as suite:
        suite.write(FAR)
    server.files["/thing.txt"] = b"a far thing"
    describe(folder, server, monkeypatch)
    for name in ("HOURGLASS_DATA", "HOURGLASS_OFFLINE", "CITYSCAPES_USERNAME", "CITYSCAPES_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("XDG_DATA_HOME", str(folder.path / "home"))
    return folder


def describe(folder: Any, server: Server, monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    entry = {"file": "thing.txt", "urls": [f"{server.url}/thing.txt"], "confidence": "high", "source": "a test"}
    path = folder.path / "catalogue.yaml"
    path.write_text(yaml.safe_dump({"artifacts": {"thing": entry | fields}}))
    monkeypatch.setenv("HOURGLASS_ARTIFACTS", str(path))


def test_a_download_is_fetched_once_and_may_be_deleted_when_it_is_prepared(far: Any, server: Server) -> None:
    run = far.run("--until", "prepare")
    assert not run.returncode, run.stdout
    assert (far.path / "data" / "far" / "thing.txt").read_text() == "a far thing"
    assert (far.path / "catalogue.lock").is_file()
    (far.path / "data" / "downloads" / "thing.txt").unlink()
    again = far.run("--until", "prepare")
    assert re.search(r"total\s+0", again.stdout), again.stdout
    assert server.asked("/thing.txt") == [None]


def test_a_file_placed_by_hand_is_used(far: Any, server: Server) -> None:
    (far.path / "data" / "downloads").mkdir()
    (far.path / "data" / "downloads" / "thing.txt").write_text("my own")
    run = far.run("--until", "prepare")
    assert not run.returncode, run.stdout
    assert (far.path / "data" / "far" / "thing.txt").read_text() == "my own"
    assert not server.requests


def test_a_failed_download_is_one_line_and_is_continued(far: Any, server: Server) -> None:
    server.files.clear()
    run = far.run("--until", "prepare", "--show-failed-logs")
    assert run.returncode
    assert "hourglass: thing: cannot be downloaded (127.0.0.1: 404 Not Found)" in run.stdout
    assert "Traceback" not in run.stdout
    server.files["/thing.txt"] = b"a far thing"
    assert not far.run("--until", "prepare").returncode


def test_what_wants_an_account_is_left_out_and_the_rest_runs(far: Any, server: Server, monkeypatch: Any) -> None:
    describe(far, server, monkeypatch, login="cityscapes", page="https://example.org")
    line = "left out: accuracy and speed of 2 cases: thing: needs an account; set CITYSCAPES_USERNAME"
    dry = far.run("--dry-run")
    assert not dry.returncode, dry.stdout
    assert dry.stdout.count(line) == 1
    run = far.run()
    assert line in run.stdout
    assert "nothing has been accepted yet" in run.stdout, run.stdout
    assert "was not measured" not in run.stdout
    assert (far.results / CASE / "cost.json").is_file()
    assert not (far.results / CASE / "accuracy.json").exists()
    assert not far.hourglass("accept", "tiny.yaml", "--reason", "first results").returncode
    passed = far.run()
    assert not passed.returncode, passed.stdout
    assert not server.requests
