"""The data sets by name."""

from __future__ import annotations

from pathlib import Path

from hourglass.bench.datasets import preparation
from hourglass.bench.datasets.base import Dataset, Source
from hourglass.bench.downloads import own_copy
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


def tuning_split(name: str) -> str:
    """The split that plans are chosen on: the last that is not evaluated.

    Raises:
        UserError: No data set has that name, or it has only the split that is evaluated.
    """
    source = DATASETS.get(name)
    others = [split for split in source.splits if split != source.evaluation_split]
    if not others:
        raise UserError(
            f"split: the data set '{name}' has only '{source.evaluation_split}', which results are reported on; choose "
            "another data set, or name the split if that is what you want"
        )
    return others[-1]


def prepare(name: str, *, root: Path, split: str | None = None) -> Path:
    """Make or download a split of a data set, unless that has been done; the folder ``root/name``.

    The user's own copy ``$HOURGLASS_DATA/name`` is verified and used in place, when there is one; see `preparation`.

    Args:
        name: Of the data set.
        root: Folder of all data sets.
        split: The evaluation split unless another is named.

    Raises:
        UserError: There is no such data set or split, or its files cannot be obtained or are not what they should be.
    """
    source = DATASETS.get(name)
    folder = root / name
    preparation.prepare(source, name, folder, _checked_split(name, source, split), source.location or own_copy(name))
    return folder


def open_split(name: str, task: str, *, root: Path, split: str | None = None) -> Dataset:
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
    ready = preparation.read_ready(folder)
    if ready.get("version") != source.version or split not in ready["splits"]:
        raise UserError(f"{folder}: the split '{split}' is not prepared; run `hourglass prepare {name}`")
    location = folder / ready["location"]
    if not location.is_dir():
        raise UserError(f"{location}: this copy of '{name}' is gone; bring it back, or prepare the data set again")
    return source.open(location, task, split)


def is_outdated(name: str, *, root: Path) -> bool:
    """Whether a data set is prepared in another version than it has now.

    Raises:
        UserError: No data set has that name.
    """
    ready = preparation.read_ready(root / name)
    return bool(ready) and ready["version"] != DATASETS.get(name).version


def _checked_split(name: str, source: Source, split: str | None) -> str:
    if split is not None and split not in source.splits:
        raise UserError(f"split: the data set '{name}' has no '{split}'; it has {', '.join(source.splits)}")
    return split or source.evaluation_split
