"""One process per GPU: where there are several, a process takes one that no other process of this project has."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
import time
from pathlib import Path

VISIBLE = "CUDA_VISIBLE_DEVICES"
_held: list[int] = []
"""Open for as long as this process lives; the system lets go of the lock however the process ends."""


def claim() -> str | None:
    """Have CUDA show one GPU only, which is this process's for as long as it lives; waits until one is free.

    Must be called before CUDA starts. Where there is one GPU or none to choose from, nothing is done: whoever shares it
    out (a scheduler, or the limit of one job in the workflow) has done so already.

    Returns:
        The GPU, as `CUDA_VISIBLE_DEVICES` names it; None if there was no choice.
    """
    gpus = visible()
    if len(gpus) < 2:
        return None
    while True:
        for gpu in gpus:
            if _take(gpu):
                os.environ[VISIBLE] = gpu
                return gpu
        time.sleep(0.5)


def visible() -> list[str]:
    """Names of the GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` or the driver says; found without CUDA."""
    given = os.environ.get(VISIBLE)
    if given is not None:
        return [gpu.strip() for gpu in given.split(",") if gpu.strip()]
    command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return []
    return listed.stdout.split()


def _take(gpu: str) -> bool:
    folder = Path(tempfile.gettempdir()) / f"hourglass-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(folder / f"{gpu.replace(os.sep, '_')}.lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return False
    _held.append(lock)
    return True
