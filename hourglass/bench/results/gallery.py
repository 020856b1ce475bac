"""Pictures of some images of a case on disk, ``gallery.json`` beside its accuracy.

One file for all of them, which is there even if it holds none: whoever stores files knows it beforehand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, StrictFloat, StrictInt, ValidationError

from hourglass.bench.results.records import path_of as measurement
from hourglass.bench.storage.documents import Document
from hourglass.bench.storage.files import write_json
from hourglass.bench.suites.case import Case

Kind = Literal["image", "truth", "prediction", "clusters"]


class Entry(Document):
    """One image, as `hourglass.bench.measuring.album.Album` describes it."""

    index: int
    name: str
    values: dict[str, StrictFloat | StrictInt | None] = Field(default_factory=dict)
    pictures: dict[Kind, str] = Field(default_factory=dict)
    error: str = ""


class Gallery(Document):
    """The images of one case, as stored."""

    schema_version: Literal[1] = 1
    case: Case
    entries: tuple[Entry, ...]


def path_of(results: Path, case: Case) -> Path:
    """Where the pictures of a case are stored below the folder of all results."""
    return measurement(results, case, "accuracy").with_name("gallery.json")


def save(results: Path, case: Case, entries: Sequence[Mapping[str, Any]]) -> Path:
    """Store the pictures of a case in one step."""
    path = path_of(results, case)
    gallery = Gallery(case=case, entries=tuple(Entry(**entry) for entry in entries))
    write_json(path, gallery.model_dump(mode="json"))
    return path


def load(results: Path, case: Case) -> tuple[Entry, ...]:
    """The stored pictures of exactly this case; none if there are none, or if they cannot be read."""
    try:
        gallery = Gallery.model_validate_json(path_of(results, case).read_bytes())
    except (OSError, ValidationError):
        return ()
    return gallery.entries if gallery.case == case else ()
