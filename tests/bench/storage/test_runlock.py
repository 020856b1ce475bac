from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hourglass.bench.storage.runlock import clear_after_killed_run

HOLD = """
import sys, time
from pathlib import Path
from hourglass.bench.storage.runlock import clear_after_killed_run
print(clear_after_killed_run(Path(sys.argv[1])), flush=True)
time.sleep(600)
"""


def test_only_the_leftovers_of_the_dead_are_removed(tmp_path: Path) -> None:
    lock = tmp_path / "locks" / "0.output.lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == "True"
        lock.parent.mkdir()
        lock.touch()
        assert not clear_after_killed_run(tmp_path), "another run is alive"
        assert lock.exists()
        other.kill()
    assert clear_after_killed_run(tmp_path)
    assert not lock.exists()
