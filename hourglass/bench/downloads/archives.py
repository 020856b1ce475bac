"""Archives become folders: whole or not at all, and never a byte outside of them."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO

from hourglass.bench.downloads.space import require_space
from hourglass.registry import UserError


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    kind: str
    """``file``, ``folder``, or what it is besides."""
    entry: zipfile.ZipInfo | tarfile.TarInfo


def unpack(archive: Path, folder: Path, *, only: Sequence[str] = ()) -> Path:
    """Extract a zip or tar archive into a new folder; a folder that is there already is taken as the result.

    Nothing but plain files and folders is accepted, as data sets need nothing else: links are refused even where they
    stay inside, since whether they do has been misjudged by extractors too often.

    Args:
        archive: zip, tar, tar.gz, tar.bz2 or tar.xz, whatever its name.
        folder: Appears when everything is in it.
        only: Patterns as of the shell, of which ``*`` matches slashes too; members that none of them fits are left
            out. All members if there are none.

    Raises:
        UserError: The archive is damaged, tries to write elsewhere, or the disk is full.
    """
    if folder.is_dir():
        return folder
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        with _opened(archive) as opened:
            members = list(_members(opened))
            for member in members:
                _refuse_unsafe(archive, member)
            members = [m for m in members if not only or any(fnmatchcase(m.name, pattern) for pattern in only)]
            unfinished.mkdir(parents=True)
            with require_space(unfinished, archive.name, sum(member.size for member in members)):
                for member in members:
                    _extract(opened, member, unfinished)
        os.replace(unfinished, folder)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, LZMAError, EOFError, RuntimeError, OSError) as error:
        raise UserError(f"{archive}: cannot be unpacked: {' '.join(str(error).split())}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile | tarfile.TarFile]:
    if tarfile.is_tarfile(archive):
        with tarfile.open(archive) as opened_tar:
            yield opened_tar
    else:
        with zipfile.ZipFile(archive) as opened_zip:
            yield opened_zip


def _members(opened: zipfile.ZipFile | tarfile.TarFile) -> Iterator[_Member]:
    if isinstance(opened, zipfile.ZipFile):
        for entry in opened.infolist():
            mode = stat.S_IFMT(entry.external_attr >> 16)
            plain = mode in (0, stat.S_IFREG, stat.S_IFDIR)
            kind = "folder" if entry.is_dir() else "file" if plain else "a link or device"
            yield _Member(entry.filename, entry.file_size, kind, entry)
    else:
        for item in opened:
            kind = "folder" if item.isdir() else "file" if item.isfile() else "a link or device"
            yield _Member(item.name, item.size, kind, item)


def _refuse_unsafe(archive: Path, member: _Member) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name or "\0" in member.name:
        reason = "which would be written elsewhere"
    elif member.kind not in ("file", "folder"):
        reason = f"which is {member.kind}"
    else:
        return
    raise UserError(f"{archive}: holds {member.name!r}, {reason}; nothing was unpacked, put another file in its place")


def _extract(opened: zipfile.ZipFile | tarfile.TarFile, member: _Member, folder: Path) -> None:
    target = folder / member.name
    if member.kind == "folder":
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with _stream(opened, member) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)


def _stream(opened: zipfile.ZipFile | tarfile.TarFile, member: _Member) -> IO[bytes]:
    if isinstance(opened, zipfile.ZipFile) and isinstance(member.entry, zipfile.ZipInfo):
        return opened.open(member.entry)
    if isinstance(opened, tarfile.TarFile) and isinstance(member.entry, tarfile.TarInfo):
        stream = opened.extractfile(member.entry)
        if stream is not None:
            return stream
    raise EOFError(f"{member.name} has no content")
