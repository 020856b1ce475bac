"""Tracking that never fails: a missing, broken, unreachable or hanging service ends in a sentence."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from hourglass.bench.storage.files import write_json
from hourglass.bench.tracking.mode import mode
from hourglass.bench.tracking.runs import Run
from hourglass.bench.wording import counted
from hourglass.registry import UserError

SEND = (sys.executable, "-m", "hourglass.bench.tracking.send")


def track(runs: Sequence[Run], folder: Path, *, timeout: float, command: Sequence[str] = SEND) -> str:
    """Hand runs to Weights & Biases and say in one line how it went.

    Args:
        runs: What to track.
        folder: Is made anew; the service's own files go there.
        timeout: Seconds until it is given up.
        command: What hands them over; gets the file of runs and the folder as arguments.
    """
    try:
        mode()
    except UserError as error:
        return _failed(str(error))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)  # what cannot be deleted cannot be written either, which is said next
    described = folder / "runs.json"
    write_json(described, [asdict(run) for run in runs])
    process = subprocess.Popen(
        [*command, str(described), str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        return _failed(f"Weights & Biases did not answer within {timeout:g} s")
    finally:
        _end(process)
    if process.returncode:
        return _failed(_last_line(errors) or f"exit code {process.returncode}")
    try:
        sent = json.loads(_last_line(output))
    except ValueError:
        return _failed(f"the answer was '{_last_line(output)}'")
    return f"tracked {counted(sent['runs'], one='run')}, {sent['mode']}, in {folder}"


def _failed(reason: str) -> str:
    return f"not tracked: {reason}; repeat with `hourglass track`"


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def _end(process: subprocess.Popen[str]) -> None:
    """End the process and all it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
