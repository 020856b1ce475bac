"""The data sets by name, and how each gets to the disk: whole or not at all.

A prepared data set is a folder ``root/name`` with a ``ready.json``, which is written last and lists the splits that are
complete. Its ``location`` says where the files are: beside it, or in the folder the user named with ``HOURGLASS_DATA``.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hourglass.bench.datasets.base import Category, Dataset, Source
from hourglass.bench.downloads import OWN_COPIES
from hourglass.bench.storage.files import write_json
from hourglass.registry import Registry, UserError

DATASETS: Registry[Source] = Registry(
    "dataset",
    {
        "scenes": "hourglass.bench.datasets.scenes.source:SOURCE",
        "camvid": "hourglass.bench.datasets.camvid:SOURCE",
        "bccd": "hourglass.bench.datasets.bccd:SOURCE",
        "ade20k": "hourglass.bench.datasets.ade20k:SOURCE",
        "cityscapes": "hourglass.bench.datasets.cityscapes:SOURCE",
        "pascal-context": "hourglass.bench.datasets.pascal_context:SOURCE",
        "coco": "hourglass.bench.datasets.coco.source:SOURCE",
        "nyuv2": "hourglass.bench.datasets.nyuv2:SOURCE",
        "kitti": "hourglass.bench.datasets.kitti:SOURCE",
    },
)


def names() -> list[str]:
    """Names of all data sets."""
    return DATASETS.names()


def tasks(name: str) -> tuple[str, ...]:
    """Tasks a data set has targets for.

    Raises:
        UserError: No data set has that name.
    """
    return DATASETS.get(name).tasks


def artifacts(name: str) -> tuple[str, ...]:
    """Ids of the downloads a data set is made of; none where it brings its own files.

    Raises:
        UserError: No data set has that name.
    """
    return DATASETS.get(name).artifacts


def settings(name: str, task: str) -> Mapping[str, Any]:
    """What a task is told when it is measured on a data set: ranges that belong to the data set's protocol.

    Raises:
        UserError: No data set has that name.
    """
    return DATASETS.get(name).settings(task)


def version(name: str) -> str:
    """Version of a data set's files; where it is another, they have to be prepared again.

    Raises:
        UserError: No data set has that name.
    """
    return DATASETS.get(name).version


def categories(name: str) -> tuple[Category, ...]:
    """What the labels of a data set stand for.

    Raises:
        UserError: No data set has that name.
    """
    return DATASETS.get(name).categories


def prepare(name: str, *, root: Path, split: str | None = None) -> Path:
    """Make or download a split of a data set, unless that has been done; the folder ``root/name``.

    The user's own copy ``$HOURGLASS_DATA/name`` is verified and used in place, when there is one. What an interrupted
    preparation has brought is kept, and the next one goes on from there.

    Args:
        name: One of `names`.
        root: Folder of all data sets.
        split: The evaluation split unless another is named.

    Raises:
        UserError: There is no such data set or split, or its files cannot be had or are not what they should be.
    """
    source = DATASETS.get(name)
    split = _checked_split(name, source, split)
    folder = root / name
    ready = _read_ready(folder)
    if ready.get("version") == source.version and split in ready["splits"] and (folder / ready["location"]).is_dir():
        return folder

    own = _own_copy(name)
    location = "." if own is None else str(own)
    if (ready.get("version"), ready.get("location")) != (source.version, location):
        if ready:
            shutil.rmtree(folder)
        ready = {"name": name, "version": source.version, "location": location, "splits": {}}
    folder.mkdir(parents=True, exist_ok=True)
    if own is None:
        source.fill(folder, split)
    ready["splits"][split] = {"fingerprint": source.verify(folder / location, split)}
    write_json(folder / "ready.json", ready)
    return folder


def load(name: str, task: str, *, root: Path, split: str | None = None) -> Dataset:
    """One split of a prepared data set, the evaluation split unless another is named.

    Raises:
        UserError: There is no such data set, task or split, or it is not prepared.
    """
    source = DATASETS.get(name)
    split = _checked_split(name, source, split)
    if task not in source.tasks:
        known = ", ".join(source.tasks)
        raise UserError(f"task: the data set '{name}' has no targets for '{task}'; it has them for {known}")
    folder = root / name
    ready = _read_ready(folder)
    if ready.get("version") != source.version or split not in ready["splits"]:
        raise UserError(f"{folder}: the split '{split}' is not prepared; run `hourglass prepare {name}`")
    location = folder / ready["location"]
    if not location.is_dir():
        raise UserError(f"{location}: this copy of '{name}' is gone; bring it back, or prepare the data set again")
    return source.load(location, task, split)


def _checked_split(name: str, source: Source, split: str | None) -> str:
    if split is not None and split not in source.splits:
        raise UserError(f"split: the data set '{name}' has no '{split}'; it has {', '.join(source.splits)}")
    return split or source.evaluation_split


def _own_copy(name: str) -> Path | None:
    parent = os.environ.get(OWN_COPIES)
    if not parent:
        return None
    copy = Path(parent).expanduser().absolute() / name
    return copy if copy.is_dir() else None


def _read_ready(folder: Path) -> dict[str, Any]:
    """What ``ready.json`` says; nothing if there is none, or not a whole one."""
    try:
        content = json.loads((folder / "ready.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) and {"version", "location", "splits"} <= set(content) else {}
