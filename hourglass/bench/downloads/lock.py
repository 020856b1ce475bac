"""What downloads were when they first came, for files that no whole SHA-256 is published of.

The lock file lies beside the catalogue and belongs into version control: whoever downloads the same file later gets the
same bytes or an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, PositiveInt, StringConstraints

from hourglass.bench.downloads import catalogue
from hourglass.bench.storage.documents import Document, as_yaml, read
from hourglass.bench.storage.files import write_text
from hourglass.bench.storage.locks import locked
from hourglass.registry import UserError

HEAD = """\
# What files of the catalogue were when they were first downloaded; whatever comes later has to be the same.
# Written by `hourglass fetch`. Commit it; take an entry out only if you know why the file is another one now.
"""


class Pin(Document):
    """What one file was."""

    size: PositiveInt
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Lock(Document):
    """The content of a lock file."""

    artifacts: dict[str, Pin] = Field(default_factory=dict)


def path() -> Path:
    """Where the lock file of the catalogue in use is."""
    return catalogue.path().with_suffix(".lock")


def pins() -> dict[str, Pin]:
    """What is known of files by the id of their artifact.

    Raises:
        UserError: The lock file is damaged.
    """
    return read(path(), Lock).artifacts if path().exists() else {}


def record(artifact: str, pin: Pin) -> None:
    """Add what a file was; other processes may do the same at the same time.

    Raises:
        UserError: The lock file cannot be written.
    """
    try:
        with locked(path().with_name(f".{path().name}.guard")):
            known = {name: entry.model_dump() for name, entry in pins().items()}
            known[artifact] = pin.model_dump()
            write_text(path(), HEAD + as_yaml({"artifacts": dict(sorted(known.items()))}, width=200))
    except OSError as error:
        raise UserError(
            f"{path()}: cannot be written ({error.strerror}), and has to say that the SHA-256 of '{artifact}' is "
            f"{pin.sha256}; make it writable, or name a catalogue of your own in {catalogue.OWN_CATALOGUE}"
        ) from error
