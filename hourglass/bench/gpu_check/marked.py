"""The project's own tests that need a device."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[3] / "tests"
_MARK = "mark.gpu"


def marked_tests(folder: Path = TESTS, *, seconds: float = 120) -> dict[str, Any]:
    """Runs the tests marked `gpu`.

    Args:
        folder: Of all tests.
        seconds: They may take.

    Raises:
        FileNotFoundError: There are none, as in a wheel.
    """
    files = sorted(path for path in folder.rglob("*.py") if _MARK in path.read_text(encoding="utf-8"))
    # Where a fixture is marked, all tests beside it may be.
    chosen = sorted({path.parent if path.name == "conftest.py" else path for path in files})
    if not chosen:
        raise FileNotFoundError(f"{folder}: has no tests that are marked gpu; run from a clone")
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", *map(str, chosen)]
    done = subprocess.run(command, cwd=folder.parent, capture_output=True, text=True, timeout=seconds, check=False)
    lines = done.stdout.strip().splitlines()
    counts = {kind: int(number) for number, kind in re.findall(r"(\d+) (passed|failed|skipped|errors?)", lines[-1])}
    failures = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return {"counts": counts, "failures": failures, "agrees": done.returncode == 0 and counts.get("skipped", 0) == 0}
