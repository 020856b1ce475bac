"""Where the models of a backend run: here, in the environment that was made for it, or nowhere."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hourglass.bench.backends.environments import interpreter, missing


def environment(folder: Path, name: str, *packages: str) -> Path:
    site = folder / f".venv-{name}" / "lib" / "python3.11" / "site-packages"
    for package in packages:
        (site / package).mkdir(parents=True)
        (site / package / "__init__.py").touch()
    python = folder / f".venv-{name}" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    return python


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)


def test_a_model_without_a_framework_runs_here() -> None:
    assert interpreter(None) is None


def test_a_backend_runs_in_the_environment_that_has_its_packages(tmp_path: Path) -> None:
    python = environment(tmp_path, "mmseg", "mmcv", "mmengine", "mmseg")
    assert interpreter("mmseg") == python
    assert missing("mmseg") is None


def test_an_environment_without_the_packages_is_no_help(tmp_path: Path) -> None:
    environment(tmp_path, "mmseg", "mmcv")
    assert interpreter("mmseg") is None
    reason = missing("mmseg")
    assert reason is not None
    assert "`make env-mmseg`" in reason
    assert "\n" not in reason


def test_a_checkout_is_found_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = environment(tmp_path, "detectron2", "detectron2")
    assert interpreter("mask2former") is None
    (tmp_path / "checkout" / "mask2former").mkdir(parents=True)
    (tmp_path / "checkout" / "mask2former" / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "checkout"))
    assert interpreter("mask2former") == python


def test_packages_that_are_here_need_no_other_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(tmp_path, "detectron2", "detectron2")
    (tmp_path / "own" / "detectron2").mkdir(parents=True)
    (tmp_path / "own" / "detectron2" / "__init__.py").touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path / "own"), *sys.path])
    assert interpreter("detectron2") is None
