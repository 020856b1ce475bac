"""A killed run must not stand in the way of the next one."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

_held: list[int] = []
"""Open for as long as this process lives; the system lets go of the lock however the process ends."""


def clear_after_killed_run(state: Path) -> bool:
    """Remove what a killed Snakemake left behind in its ``state`` folder, unless another one is alive there.

    Left behind are its lock and its marks of unfinished files. Those marks are not needed: every file of this workflow
    is renamed into place when it is whole.

    Returns:
        Whether this process is the only one; if not, nothing is touched and Snakemake's own lock decides.
    """
    state.mkdir(exist_ok=True)
    lock = os.open(state / "hourglass.lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return False
    _held.append(lock)
    for leftover in ("locks", "incomplete"):
        shutil.rmtree(state / leftover, ignore_errors=True)
    return True
