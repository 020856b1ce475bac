"""Files that are there whole or not at all, however the process that writes them ends."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkstemp

from hourglass.registry import UserError

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What a full disk says."""


class UnwritableError(UserError, OSError):
    """A file cannot be written; one line for the user, and the system's ``errno``."""


@contextmanager
def one_line(path: Path) -> Iterator[None]:
    """Say in one line that ``path`` cannot be written, where the system refuses it inside this context.

    Raises:
        UnwritableError: The disk is full, the folder read-only, ...
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, UserError):
            raise
        full = error.errno in FULL
        remedy = "make room on that disk" if full else "make its folder writable, or name another one"
        refusal = UnwritableError(f"{path}: cannot be written: {error.strerror or error}; {remedy}")
        refusal.errno = error.errno
        raise refusal from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Where to write a file's content: it becomes ``path`` in one step, or is gone if that fails.

    Folders are made as needed.

    Raises:
        UnwritableError: The system refuses it.
    """
    with one_line(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(descriptor)
        unfinished = Path(name)
        try:
            yield unfinished
            with unfinished.open("rb") as file:
                os.fsync(file.fileno())
            unfinished.chmod(0o644)  # temporary files are private by default
            unfinished.replace(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise


def write_text(path: Path, text: str) -> None:
    """Replace the content of a file in one step; folders are made as needed."""
    with replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def write_json(path: Path, content: object) -> None:
    """As `write_text`, with the content as JSON: keys in order of insertion, no NaN or infinity.

    Raises:
        ValueError: A number is not finite.
    """
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def append_line(path: Path, line: str) -> None:
    """Add a line to a file, which is made as needed.

    Raises:
        UnwritableError: The system refuses it.
    """
    with one_line(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Hash of a file's content, hexadecimal.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
