"""A killed run must not stand in the way of the next one, and its jobs that live on must not be measured beside."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hourglass.bench.storage.locks import hold, is_free
from hourglass.registry import UserError

RUN = "HOURGLASS_RUN"
"""Environment variable: Snakemake's ``state`` folder, set for the jobs of a run."""


def clear_after_killed_run(state: Path) -> bool:
    """Remove what a killed Snakemake left behind in its ``state`` folder, unless another one is alive there.

    Left behind are its lock and its marks of unfinished files. Those marks are not needed: every file of this workflow
    is renamed into place when it is whole.

    Returns:
        Whether this process is the only one; if not, nothing is touched and Snakemake's own lock decides.

    Raises:
        UserError: Snakemake was killed alone, and a job of it still runs.
    """
    if not hold(state / "hourglass.lock"):
        return False
    for job in _jobs(state).glob("*.lock"):
        if not is_free(job):
            raise UserError(
                f"{state}: the job with process id {job.stem} of a run that was killed still runs here; wait until it "
                f"has ended, or end it with `kill {job.stem}`"
            )
        job.unlink()
    for leftover in ("locks", "incomplete"):
        shutil.rmtree(state / leftover, ignore_errors=True)
    return True


def join(state: Path) -> None:
    """Let the next run in ``state`` know of this process, a job, for as long as it lives."""
    hold(_jobs(state) / f"{os.getpid()}.lock")


def _jobs(state: Path) -> Path:
    return state / "hourglass-jobs"
