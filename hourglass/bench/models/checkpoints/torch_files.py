"""Files that torch writes, read without torch, whose own reader trusts the sizes that a file states."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import torch

from hourglass.bench.models.checkpoints import pickles

LARGEST_PICKLE = 256 << 20


@dataclass
class _Storage:
    """See `pickles.Storage`."""

    kind: torch.dtype
    key: str
    find: Callable[[str], bytes]

    def read(self) -> bytearray:
        return self._content

    @cached_property
    def _content(self) -> bytearray:
        return bytearray(self.find(self.key))


@contextmanager
def open_zip(path: Path) -> Iterator[Any]:
    """The content of a file as torch writes them since 1.6: an archive of a pickle and raw storages.

    Raises:
        ForbiddenError: As `pickles.load`.
        Exception: Any, if the file is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: info for info in archive.infolist()}
        found = [name for name in members if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(found) != 1 or members[found[0]].file_size > LARGEST_PICKLE:
            raise ValueError("an archive, but not one that torch writes")
        if any(info.compress_type != zipfile.ZIP_STORED for info in members.values()):
            raise ValueError("it is compressed, which torch does not do")
        folder = found[0].removesuffix("data.pkl")
        if f"{folder}byteorder" in members and archive.read(f"{folder}byteorder") != b"little":
            raise ValueError("its numbers are big-endian")
        with archive.open(found[0]) as file:
            yield pickles.load(file, _Storages(lambda key: archive.read(f"{folder}data/{key}")))


@contextmanager
def open_legacy(path: Path) -> Iterator[Any]:
    """The content of a file as torch wrote them before 1.6: pickles, then storages one after the other.

    Raises:
        ForbiddenError: As `pickles.load`.
        Exception: Any, if the file is damaged.
    """
    contents: dict[str, bytes] = {}
    storages = _Storages(contents.__getitem__)
    with path.open("rb") as file:
        for _ in ("magic number", "protocol", "system"):
            pickles.load(file)
        content = pickles.load(file, storages)
        for key in pickles.load(file):
            contents[str(key)] = _raw(file, storages.known[str(key)].kind, path.stat().st_size)
    yield content


class _Storages:
    """Called with the id of a storage in a pickle, which is the same each time a tensor shows a part of it."""

    def __init__(self, find: Callable[[str], bytes]) -> None:
        self.known: dict[str, _Storage] = {}
        self._find = find

    def __call__(self, identifier: Any) -> Any:
        if identifier[0] == "module":  # a class with its source, of a time when whole models were saved
            return identifier[1]
        what, kind, key, _, _, *view = identifier
        if what != "storage" or not isinstance(kind, torch.dtype) or view not in ([], [None]):
            return pickles.Placeholder()
        return self.known.setdefault(str(key), _Storage(kind, str(key), self._find))


def _raw(file: IO[bytes], kind: torch.dtype, size: int) -> bytes:
    (count,) = struct.unpack("<q", file.read(8))
    if not 0 <= count * kind.itemsize <= size - file.tell():
        raise EOFError("it ends within a storage")
    return file.read(count * kind.itemsize)
