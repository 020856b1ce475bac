"""How a data set gets to the disk: whole or not at all, and never at the cost of a file that is the user's.

A prepared data set is a folder with a ``ready.json``, which is written last and lists the splits that are complete. Its
``location`` says where the files are: beside it, or in a folder of the user. What this project wrote is listed in
``.written.json``, with size and time of change; that alone is ever removed or replaced, and only while it is unchanged.
A folder with files but without that list is the user's own copy, which is verified in place.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from hourglass.bench.datasets.base import Source
from hourglass.bench.storage.files import digest, one_line, write_json
from hourglass.bench.storage.locks import locked
from hourglass.registry import UserError

READY, WRITTEN = "ready.json", ".written.json"

Written = dict[str, list[int]]
"""Size and time of change in nanoseconds, by path below the folder."""


def prepare(source: Source, name: str, folder: Path, split: str, own: Path | None) -> None:
    """Make or download a split, unless that is done already.

    What an interrupted preparation has brought is kept, and the next one continues from there. Several processes may
    prepare the same data set at the same time.

    Args:
        source: Of the data set.
        name: Of the data set.
        folder: Gets ``ready.json``, and the files if they are not in ``own``.
        split: One of the source's.
        own: The user's own copy, which is verified and used in place.

    Raises:
        UserError: The files cannot be obtained or written, are not what they should be, or would replace the user's.
    """
    if _is_ready(source, folder, split):
        return
    with one_line(folder), locked(folder.with_name(f".{name}.guard")):
        if not _is_ready(source, folder, split):
            _prepare(source, name, folder, split, own)


def read_ready(folder: Path) -> dict[str, Any]:
    """What ``ready.json`` says; nothing if there is none, or not one of this project."""
    content = _read_json(folder / READY)
    kinds = {"version": str, "location": str, "splits": dict}
    return content if all(isinstance(content.get(name), kind) for name, kind in kinds.items()) else {}


def _is_ready(source: Source, folder: Path, split: str) -> bool:
    ready = read_ready(folder)
    return bool(
        ready
        and ready["version"] == source.version
        and split in ready["splits"]
        and (folder / ready["location"]).is_dir()
    )


def _prepare(source: Source, name: str, folder: Path, split: str, own: Path | None) -> None:
    ready = read_ready(folder)
    if not ready and (folder / READY).exists():
        raise UserError(f"{folder / READY}: is in the way, and this project did not write it; move it away")
    location = "." if own is None or own.resolve() == folder.resolve() else str(own)
    if (ready.get("version"), ready.get("location")) != (source.version, location):
        ready = {"name": name, "version": source.version, "location": location, "splits": {}}
    if location != ".":
        fingerprint = source.verify(folder / location, split)
    elif _is_users(folder):
        fingerprint = source.verify(folder, split)
    else:
        fingerprint = _fill(source, folder, split)
    ready["splits"][split] = {"fingerprint": fingerprint}
    write_json(folder / READY, ready)


def _is_users(folder: Path) -> bool:
    if folder.is_symlink():
        return True
    there = [path for path in folder.iterdir() if path.name != READY] if folder.is_dir() else []
    return bool(there) and not (folder / WRITTEN).is_file()


def _fill(source: Source, folder: Path, split: str) -> str:
    """Fill a folder beside, verify it, and move its files to where they belong; the split's fingerprint."""
    written = _read_written(folder)
    if written and written["version"] != source.version:
        _remove(folder, written["files"])
        write_json(folder / WRITTEN, {"version": source.version, "files": {}})
    elif written:
        try:
            return source.verify(folder, split)  # all is there but for a `ready.json`, which Snakemake may have removed
        except UserError:
            pass
    unfinished = folder.with_name(f".{folder.name}.{split}.unfinished")
    _start(unfinished, source.version)
    source.fill(unfinished, split)
    fingerprint = source.verify(unfinished, split)
    alone = not folder.is_dir() or not any(path.name not in (READY, WRITTEN) for path in folder.iterdir())
    _publish(unfinished, folder, source.version)
    if not alone and source.verify(folder, split) != fingerprint:
        raise UserError(f"{folder}: files that this project did not write are taken for the data set's; move them away")
    return fingerprint


def _start(unfinished: Path, version: str) -> None:
    """Keep what an interrupted preparation of the same version has brought."""
    if unfinished.is_symlink():
        raise UserError(f"{unfinished}: is a link, which is not followed; remove it")
    mark = unfinished.with_name(f"{unfinished.name}.version")
    if not mark.is_file() or mark.read_text(encoding="utf-8") != version:
        shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True, exist_ok=True)
    mark.write_text(version, encoding="utf-8")


def _publish(unfinished: Path, folder: Path, version: str) -> None:
    """Move all files; the list of what is written is always ahead of what is."""
    arriving = _state(unfinished)
    written = _read_written(folder).get("files", {})
    replaced = {name for name in arriving if _occupied(folder / name) and not _unchanged(folder, name, written)}
    for name in sorted(replaced):
        target = folder / name
        if not _inside(folder, target) or not target.is_file() or digest(target) != digest(unfinished / name):
            raise UserError(f"{target}: is in the way, and this project did not write it; move it away")
    arriving = {name: state for name, state in arriving.items() if name not in replaced}
    write_json(folder / WRITTEN, {"version": version, "files": written | arriving})
    for name in arriving:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not _inside(folder, target):
            raise UserError(f"{target.parent}: leads out of {folder}; move that link away")
        (unfinished / name).replace(target)
    shutil.rmtree(unfinished)
    unfinished.with_name(f"{unfinished.name}.version").unlink()


def _remove(folder: Path, written: Written) -> None:
    """Remove what was written, as far as it is unchanged, and folders that are empty then."""
    for name in written:
        if _unchanged(folder, name, written):
            (folder / name).unlink()
    for parent in sorted({parent for name in written for parent in Path(name).parents}, reverse=True):
        path = folder / parent
        if parent.parts and path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
            path.rmdir()


def _unchanged(folder: Path, name: str, written: Written) -> bool:
    path = folder / name
    if name not in written or not _inside(folder, path) or path.is_symlink() or not path.is_file():
        return False
    state = path.stat()
    return [state.st_size, state.st_mtime_ns] == written[name]


def _inside(folder: Path, path: Path) -> bool:
    """Whether a path lies below the folder without going through any link."""
    return path.parent.resolve() == (folder.resolve() / path.relative_to(folder)).parent


def _occupied(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _state(folder: Path) -> Written:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    states = ((path, path.stat()) for path in files)
    return {path.relative_to(folder).as_posix(): [state.st_size, state.st_mtime_ns] for path, state in states}


def _read_written(folder: Path) -> dict[str, Any]:
    """The list of what this project wrote; nothing if it is damaged, so that nothing is taken for the project's."""
    content = _read_json(folder / WRITTEN)
    return content if "version" in content and isinstance(content.get("files"), dict) else {}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
