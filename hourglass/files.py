"""Files that are there whole or not at all, however the process that writes them ends."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile


def write_text(path: Path, text: str) -> None:
    """Replace the content of a file in one step; folders are made as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8") as file:
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(file.name, 0o644)  # temporary files are private by default
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def write_json(path: Path, content: object) -> None:
    """As `write_text`, with the content as JSON: keys in order of insertion, no NaN or infinity.

    Raises:
        ValueError: A number is not finite.
    """
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Only one process at a time is inside this for the same ``path``, an empty file that is made and stays.

    The system lets go of the lock however the process ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
