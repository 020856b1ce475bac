"""Locks between processes, which the system releases however their holder ends."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from filelock import FileLock, Timeout

_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
"""What file systems without locks say."""
_held: list[FileLock] = []
"""Locks that are held for as long as this process lives."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait until no other process is inside this context for ``path``, an empty file that is made and stays.

    Raises:
        OSError: The file cannot be made.
    """
    lock = _acquire(path, timeout=-1)
    try:
        yield
    finally:
        lock.release()


def hold(path: Path) -> bool:
    """Take the lock ``path`` for as long as this process lives; whether no other process had it."""
    try:
        _held.append(_acquire(path, timeout=0))
    except Timeout:
        return False
    return True


def is_free(path: Path) -> bool:
    """Whether no process has the lock ``path`` now."""
    try:
        _acquire(path, timeout=0).release()
    except Timeout:
        return False
    return True


def of_machine() -> Path:
    """Folder of the locks that this user's processes on this machine share."""
    folder = Path(tempfile.gettempdir()) / f"hourglass-locks-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _acquire(path: Path, timeout: float) -> FileLock:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _acquired(path, timeout)
    except OSError as error:
        if isinstance(error, Timeout) or error.errno not in _UNSUPPORTED:
            raise
        # Where the file system has no locks, processes of this machine at least keep apart.
        return _acquired(of_machine() / sha256(str(path.absolute()).encode()).hexdigest(), timeout)


def _acquired(path: Path, timeout: float) -> FileLock:
    lock = FileLock(path, thread_local=False)
    lock.acquire(timeout=timeout)
    return lock
