"""Which GPU a process gets: its own, for as long as it lives."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hourglass.bench.storage import gpus

CLAIM = "import os, sys; from hourglass.bench.storage import gpus; print(gpus.claim(), flush=True); sys.stdin.read()"


@pytest.fixture
def start(tmp_path: Path) -> Iterator:
    """Starts processes that claim a GPU of two and live until they are ended."""
    started: list[subprocess.Popen[str]] = []
    environment = {**os.environ, gpus.VISIBLE: "0, GPU-5f/3", "TMPDIR": str(tmp_path)}

    def process() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", CLAIM]
        started.append(
            subprocess.Popen(command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        )
        return started[-1]

    yield process
    for one in started:
        one.kill()
        one.communicate()


def test_no_two_processes_have_one_gpu_and_a_killed_one_gives_it_back(start) -> None:
    first, second = start(), start()
    named = [process.stdout.readline().strip() for process in (first, second)]
    assert sorted(named) == ["0", "GPU-5f/3"]
    waiting = start()
    first.kill()
    assert waiting.stdout.readline().strip() == named[0]


@pytest.mark.parametrize("given", ["", "3", "GPU-5f"])
def test_a_choice_that_was_made_is_kept(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv(gpus.VISIBLE, given)
    assert gpus.claim() is None
    assert os.environ[gpus.VISIBLE] == given


def test_the_driver_is_asked_when_nothing_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(gpus.VISIBLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus.visible() == [], "without a driver there is no GPU"
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho GPU-1\necho GPU-2\n")
    driver.chmod(0o755)
    assert gpus.visible() == ["GPU-1", "GPU-2"]
    driver.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'\nexit 9\n")
    assert gpus.visible() == []
