"""The data sets by name, and how each gets to the disk: whole or not at all.

A prepared data set is a folder ``root/name`` with a ``ready.json`` in it, written last. Its ``location`` says where the
files are: beside it, or in the folder the user named with ``HOURGLASS_DATA``.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from hourglass.datasets.base import Dataset, Source
from hourglass.datasets.coco.files import write_json
from hourglass.errors import UserError
from hourglass.registry import Registry

OWN_COPIES = "HOURGLASS_DATA"
"""Environment variable: a folder with the user's own copies, one sub-folder a data set."""

_SOURCES: Registry[Source] = Registry(
    "dataset",
    {
        "scenes": "hourglass.datasets.scenes.source:SOURCE",
        "camvid": "hourglass.datasets.camvid:SOURCE",
        "bccd": "hourglass.datasets.bccd:SOURCE",
    },
)


def names() -> list[str]:
    """Names of all data sets."""
    return _SOURCES.names()


def tasks(name: str) -> tuple[str, ...]:
    """Tasks a data set has targets for.

    Raises:
        UserError: No data set has that name.
    """
    return _SOURCES.get(name).tasks


def prepare(name: str, *, root: Path) -> Path:
    """Make or download a data set, unless that has been done; the folder ``root/name``.

    The user's own copy ``$HOURGLASS_DATA/name`` is verified and used in place, when there is one. An interrupted
    preparation leaves ``root/name.partial`` behind, from which the next one goes on.

    Raises:
        UserError: No data set has that name, or its files cannot be had or are not what they should be.
    """
    source = _SOURCES.get(name)
    folder = root / name
    if _is_ready(folder, source.version):
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    own = _own_copy(name)
    partial = root / f"{name}.partial"
    partial.mkdir(parents=True, exist_ok=True)
    if own is None:
        source.fill(partial)
    else:
        shutil.rmtree(partial)
        partial.mkdir()
    location = partial if own is None else own
    write_json(
        partial / "ready.json",
        {
            "name": name,
            "version": source.version,
            "fingerprint": source.verify(location),
            "files": sum(path.is_file() for path in location.rglob("*")),
            "location": "." if own is None else str(own),
        },
    )
    os.replace(partial, folder)
    return folder


def load(name: str, task: str, *, root: Path, split: str | None = None) -> Dataset:
    """One split of a prepared data set, the evaluation split unless another is named.

    Raises:
        UserError: The data set is unknown, not prepared, or has no such task or split.
    """
    source = _SOURCES.get(name)
    split = split or source.evaluation_split
    if task not in source.tasks:
        raise UserError(
            f"task: the data set '{name}' has no targets for '{task}'; it has them for {', '.join(source.tasks)}"
        )
    if split not in source.splits:
        raise UserError(f"split: the data set '{name}' has no '{split}'; it has {', '.join(source.splits)}")
    folder = root / name
    ready = _read_ready(folder)
    if ready.get("version") != source.version:
        raise UserError(f"{folder}: the data set is not prepared; run `hourglass prepare {name}`")
    location = folder / ready["location"]
    if not location.is_dir():
        raise UserError(
            f"{location}: this copy of '{name}' is gone; bring it back or delete {folder} and prepare it again"
        )
    return source.load(location, task, split)


def _own_copy(name: str) -> Path | None:
    parent = os.environ.get(OWN_COPIES)
    if not parent:
        return None
    copy = Path(parent).expanduser().absolute() / name
    return copy if copy.is_dir() else None


def _read_ready(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / "ready.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) and "location" in content else {}


def _is_ready(folder: Path, version: str) -> bool:
    ready = _read_ready(folder)
    return ready.get("version") == version and (folder / ready["location"]).is_dir()
