from __future__ import annotations

import errno
import fcntl
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from hourglass.bench.storage import locks

HOLD = """
import sys, time
from pathlib import Path
from hourglass.bench.storage import locks
print(locks.hold(Path(sys.argv[1])), flush=True)
time.sleep(600)
"""


def test_a_lock_is_held_by_one_process_until_it_ends_however_that_is(tmp_path: Path) -> None:
    path = tmp_path / "made" / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == "True"
        assert not locks.hold(path)
        other.kill()
    with locks.locked(path):
        assert not locks.hold(path)
    assert locks.hold(path)


def test_on_file_systems_without_locks_the_processes_of_a_machine_keep_apart(tmp_path, monkeypatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    flock = fcntl.flock

    def unsupported(descriptor: int, operation: int) -> None:
        if "temporary" not in Path(f"/proc/self/fd/{descriptor}").readlink().as_posix():
            raise OSError(errno.ENOLCK, "No locks available")
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with locks.locked(tmp_path / "lock"):
        assert not locks.hold(tmp_path / "lock")
        with locks.locked(tmp_path / "other"):
            pass


def test_a_lock_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"Not a directory|File exists"), locks.locked(tmp_path / "file" / "lock"):
        pass
