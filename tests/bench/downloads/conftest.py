"""No network, no waiting, and a catalogue of one file on the local server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from hourglass.bench.downloads import catalogue

from ...web import Server


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the user's environment, no proxy, and no waiting."""
    for name in ("HOURGLASS_DATA", "HOURGLASS_OFFLINE", "CITYSCAPES_USERNAME", "CITYSCAPES_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("hourglass.bench.downloads.transfer.BACK_OFF", 0.0)


@pytest.fixture
def describe(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes the catalogue: one artifact ``thing``, whose fields are given; the path of the lock file beside it."""

    def make(**fields: Any) -> Path:
        entry = {"file": "thing.bin", "urls": [f"{server.url}/file.bin"], "confidence": "high", "source": "a test"}
        path = tmp_path / "catalogue.yaml"
        path.write_text(yaml.safe_dump({"artifacts": {"thing": entry | fields}}))
        catalogue._load.cache_clear()
        monkeypatch.setenv("HOURGLASS_ARTIFACTS", str(path))
        return path.with_suffix(".lock")

    return make


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"
