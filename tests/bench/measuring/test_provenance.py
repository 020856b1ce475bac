"""Provenance is complete, or there is none."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from importlib.metadata import version

import pytest

from hourglass.bench.measuring.provenance import code_digest, commit, package_versions, provenance
from hourglass.bench.suites.case import Case
from hourglass.registry import UserError

MODULE = sys.modules["hourglass.bench.measuring.provenance"]
CONDITIONS = {"device": "cpu", "threads": 2, "attention": "explicit", "data": None, "weights": "w" * 64}


@pytest.fixture
def case():
    return Case(
        suite="embedded",
        suite_version=3,
        task="t",
        model="segmenter-vit-l16-ade20k",
        dataset="d",
        method="hourglass",
        plan="p",
        settings={"start": 2, "clusters": [4, 4]},
        images=None,
        batch=2,
        precision="float32",
        seed=7,
    )


@pytest.fixture(autouse=True)
def asked_anew():
    """A process asks for its commit once, but tests share a process."""
    commit.cache_clear()
    yield
    commit.cache_clear()


def test_everything_that_decides_a_result_is_there(case, monkeypatch):
    monkeypatch.setenv("HOURGLASS_COMMIT", "c" * 40)
    found = provenance(case, CONDITIONS)
    assert json.loads(json.dumps(found)) == found
    assert (found["commit"], found["dirty"]) == ("c" * 40, False)
    assert (found["weights"], found["protocol"]) == (
        "w" * 64,
        "SlidingWindow(short=640, long=2560, crop=640, stride=640)",
    )
    assert found["settings"]["neighbors"] == 4
    assert found["settings"]["clusters"] == [4, 4]
    assert found["packages"]["torch"] == version("torch")
    assert {name: found[name] for name in CONDITIONS} == CONDITIONS
    assert (found["seed"], found["suite_version"], found["batch"], found["images"]) == (7, 3, 2, None)
    assert datetime.fromisoformat(found["time"]).tzinfo is not None
    empty = [name for name, value in found.items() if value is None]
    assert empty == ["driver", "images", "data"]


@pytest.mark.parametrize("missing", CONDITIONS)
def test_a_missing_condition_is_refused(case, missing):
    conditions = {name: value for name, value in CONDITIONS.items() if name != missing}
    with pytest.raises(ValueError, match=f"conditions: '{missing}' is missing"):
        provenance(case, conditions)


def _git(folder, *arguments):
    identity = ["-c", "user.name=n", "-c", "user.email=e@x"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_the_commit_is_the_repositorys_and_changes_are_told(tmp_path, monkeypatch):
    monkeypatch.delenv("HOURGLASS_COMMIT", raising=False)
    monkeypatch.setattr(MODULE, "PACKAGE", tmp_path / "package")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "code.py").write_text("1")
    with pytest.raises(UserError, match=r"unknown commit .* set HOURGLASS_COMMIT") as caught:
        MODULE.commit.__wrapped__()
    assert "\n" not in str(caught.value)
    _git(tmp_path, "init", "-q")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-qm", "first")
    commit, dirty = MODULE.commit.__wrapped__()
    assert (len(commit), dirty) == (40, False)
    (tmp_path / "results.json").write_text("outside of the package")
    assert not MODULE.commit.__wrapped__()[1]
    (tmp_path / "package" / "code.py").write_text("2")
    assert MODULE.commit.__wrapped__() == (commit, True)


def test_the_code_digest_follows_the_code(tmp_path, monkeypatch):
    monkeypatch.setattr(MODULE, "PACKAGE", tmp_path)
    (tmp_path / "a.py").write_text("1")
    first = code_digest.__wrapped__()
    (tmp_path / "weights.safetensors").write_text("not code")
    assert code_digest.__wrapped__() == first
    (tmp_path / "a.py").write_text("2")
    assert code_digest.__wrapped__() != first


def test_versions_are_of_what_is_needed_to_run():
    found = package_versions()
    assert {"torch", "numpy", "timm", "transformers", "faster-coco-eval"} <= set(found)
    assert "pytest" not in found
