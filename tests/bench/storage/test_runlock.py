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


JOB = """
import sys, time
from pathlib import Path
from hourglass.bench.storage import runlock
runlock.join(Path(sys.argv[1]))
print("joined", flush=True)
time.sleep(600)
"""


def test_a_job_that_outlives_its_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "locks").mkdir()
    with subprocess.Popen([sys.executable, "-c", JOB, str(tmp_path)], stdout=subprocess.PIPE, text=True) as job:
        assert job.stdout is not None
        assert job.stdout.readline().strip() == "joined"
        command = [sys.executable, "-c", HOLD, str(tmp_path)]
        refused = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert f"the job with process id {job.pid} of a run that was killed still runs here" in refused.stderr
        assert (tmp_path / "locks").exists()
        job.kill()
    assert clear_after_killed_run(tmp_path)
    assert not (tmp_path / "locks").exists()
    assert not list((tmp_path / "hourglass-jobs").iterdir())
