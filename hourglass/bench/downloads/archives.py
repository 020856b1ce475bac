"""Archives become files below a folder: all of them or none, and never a byte outside of it.

zipfile and tarfile do the extraction. What may be in an archive is judged here, before anything is written: tarfile's
data filter lets links through and, as zipfile does, puts absolute names right in silence; neither knows limits.
"""

from __future__ import annotations

import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from hourglass.bench.downloads.space import require_space
from hourglass.registry import UserError

MOST_MEMBERS = 500_000
MOST_BYTES = 1 << 30
"""Of all members; or `RATIO` times the archive's size, whichever is more."""
RATIO = 100
LONGEST_HEADER = 1 << 20
"""Bytes of one extended header of a tar archive: names take a few hundred."""
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, LZMAError, EOFError, RuntimeError, OSError, ValueError)

Kind = Literal["zip", "tar"]


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    kind: str
    """``file``, ``folder``, or what it is besides."""
    entry: Any
    """As zipfile or tarfile have it."""


def unpack(archive: Path, folder: Path, *, only: Sequence[str] = ()) -> Path:
    """Extract a zip or tar archive into a folder, beside what is there; files of the same name are replaced.

    Nothing but plain files and folders is accepted, as data sets need nothing else: links are refused even where they
    stay inside, since whether they do has been misjudged by extractors too often.

    Args:
        archive: zip, tar, tar.gz, tar.bz2 or tar.xz, whatever its name.
        folder: Is made.
        only: Patterns as of the shell, of which ``*`` matches slashes too; members that none of them fits are left
            out. All members if there are none.

    Returns:
        ``folder``.

    Raises:
        UserError: The archive is damaged, tries to write elsewhere, declares impossibly much, or the disk is full.
    """
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        with _opened(archive) as opened:
            members = list(_wanted(archive, opened, only))
            unfinished.mkdir(parents=True)
            with require_space(unfinished, archive.name, sum(member.size for member in members)):
                for member in members:
                    if isinstance(opened, tarfile.TarFile):
                        opened.extract(member.entry, unfinished, set_attrs=False)
                    else:
                        opened.extract(member.entry, unfinished)
        for path in sorted(path for path in unfinished.rglob("*") if path.is_file()):
            target = folder / path.relative_to(unfinished)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
    except UserError:
        raise
    except _DAMAGED as error:
        raise UserError(f"{archive}: cannot be unpacked: {' '.join(str(error).split())}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def kind_of(name: str) -> Kind | None:
    """Which archive a file of this name should be; None if it need not be one."""
    return "zip" if name.endswith(".zip") else "tar" if ".tar" in name else None


def kind(file: Path) -> Kind | None:
    """Which archive a file is; None for others, and for a zip archive without its end."""
    try:
        with _opened(file) as opened:
            return "tar" if isinstance(opened, tarfile.TarFile) else "zip"
    except _DAMAGED:
        return None


class _TarInfo(tarfile.TarInfo):
    """A header of a tar archive; checked before tarfile reads what follows it into memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _TarInfo:
        header = super().frombuf(buf, encoding, errors)
        extended = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, *tarfile.GNU_TYPES)
        if header.type in extended and header.type != tarfile.GNUTYPE_SPARSE and header.size > LONGEST_HEADER:
            raise tarfile.TarError(f"a header of {header.size} bytes")
        return header


class _TarFile(tarfile.TarFile):
    """Python before 3.11.4 has no filters; what they refuse is refused here as well."""

    extraction_filter = staticmethod(getattr(tarfile, "data_filter", lambda member, path: member))


def _opened(archive: Path) -> zipfile.ZipFile | tarfile.TarFile:
    try:
        return _TarFile.open(archive, tarinfo=_TarInfo)
    except tarfile.ReadError:
        return zipfile.ZipFile(archive)


def _wanted(archive: Path, opened: zipfile.ZipFile | tarfile.TarFile, only: Sequence[str]) -> Iterator[_Member]:
    """Members to extract, while the archive is listed: the first that must not be there ends it."""
    total = 0
    most = max(MOST_BYTES, RATIO * archive.stat().st_size)
    for count, member in enumerate(_members(opened), start=1):
        total += member.size
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts or "\\" in member.name or "\0" in member.name:
            reason = f"holds {member.name!r}, which would be written elsewhere"
        elif member.kind not in ("file", "folder"):
            reason = f"holds {member.name!r}, which is {member.kind}"
        elif count > MOST_MEMBERS:
            reason = f"has more than {MOST_MEMBERS} members"
        elif total > most:
            reason = f"declares more than {most} bytes, {RATIO} times what it has itself"
        else:
            if not only or any(fnmatchcase(member.name, pattern) for pattern in only):
                yield member
            continue
        raise UserError(f"{archive}: {reason}; nothing was unpacked, put another file in its place")


def _members(opened: zipfile.ZipFile | tarfile.TarFile) -> Iterator[_Member]:
    if isinstance(opened, zipfile.ZipFile):
        for entry in opened.infolist():
            mode = stat.S_IFMT(entry.external_attr >> 16)
            plain = mode in (0, stat.S_IFREG, stat.S_IFDIR)
            kind = "folder" if entry.is_dir() else "file" if plain else "a link or device"
            yield _Member(entry.filename, entry.file_size, kind, entry)
    else:
        for item in opened:
            opened.members = []  # type: ignore[attr-defined]  # tarfile remembers all, which may be millions
            plain = item.isfile() and not item.issparse()
            kind = "folder" if item.isdir() else "file" if plain else "a link or device, or has holes"
            yield _Member(item.name, item.size, kind, item)
