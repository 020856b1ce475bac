"""How many cores there are for this process: those it is bound to, as far as its container gets their time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from math import inf
from pathlib import Path

GROUPS, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
"""Where Linux shows control groups, and which ones this process is in."""


def available_cores() -> int:
    """Cores this process may use at once; at least one.

    A container that may use half of the time of four cores has two: more threads would wait for each other.
    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min(bound, *_quotas(), inf)))


def _quotas() -> Iterator[float]:
    """Cores' worth of time that each control group around this process may use, both of cgroup's versions."""
    try:
        groups = OWN.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for group in groups:
        _, controllers, path = group.split(":", 2)
        if not controllers:
            base = GROUPS
        elif "cpu" in controllers.split(","):
            base = next((GROUPS / name for name in (controllers, "cpu") if (GROUPS / name).is_dir()), GROUPS / "cpu")
        else:
            continue
        whole = base / path.strip("/")
        for folder in (whole, *whole.parents):
            if folder.is_relative_to(base):
                yield from _quota(folder)


def _quota(folder: Path) -> Iterator[float]:
    try:
        if (folder / "cpu.max").is_file():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        if quota != "max" and int(quota) > 0:
            yield int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return
