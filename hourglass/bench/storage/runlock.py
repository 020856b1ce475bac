"""A killed run must not stand in the way of the next one."""

from __future__ import annotations

import shutil
from pathlib import Path

from hourglass.bench.storage.locks import hold


def clear_after_killed_run(state: Path) -> bool:
    """Remove what a killed Snakemake left behind in its ``state`` folder, unless another one is alive there.

    Left behind are its lock and its marks of unfinished files. Those marks are not needed: every file of this workflow
    is renamed into place when it is whole.

    Returns:
        Whether this process is the only one; if not, nothing is touched and Snakemake's own lock decides.
    """
    if not hold(state / "hourglass.lock"):
        return False
    for leftover in ("locks", "incomplete"):
        shutil.rmtree(state / leftover, ignore_errors=True)
    return True
