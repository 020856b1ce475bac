"""Archives become whole folders or nothing, and never write elsewhere."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import shutil
import stat
import tarfile
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from hourglass.bench.downloads import archives, unpack
from hourglass.registry import UserError

FILES = {"set/images/val/1.txt": b"one", "set/images/train/2.txt": b"two", "set/readme": b""}


def make_zip(path: Path, files: dict[str, bytes] = FILES) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def make_tar(path: Path, files: dict[str, bytes] = FILES, mode: str = "w", **fields: object) -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            for field, value in fields.items():
                setattr(member, field, value)
            archive.addfile(member, io.BytesIO(content))
    return path


def make_link_zip(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "../outside")
    return path


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "make",
    [
        make_zip,
        make_tar,
        lambda path: make_tar(path, mode="w:gz"),
        lambda path: make_tar(path, {**FILES, "inner.zip": make_zip(path.with_suffix(".inner")).read_bytes()}),
    ],
    ids=["zip", "tar", "tar.gz", "tar with a zip"],
)
def test_archives_are_unpacked_whatever_their_name(tmp_path, make) -> None:
    folder = unpack(make(tmp_path / "archive"), tmp_path / "new" / "folder")
    found = content(folder)
    found.pop("inner.zip", None)
    assert found == FILES
    assert [path.name for path in folder.parent.iterdir()] == ["folder"]


def test_only_what_is_wanted_is_unpacked(tmp_path) -> None:
    folder = unpack(make_zip(tmp_path / "a.zip"), tmp_path / "folder", only=["set/images/val/*", "*/readme"])
    assert set(content(folder)) == {"set/images/val/1.txt", "set/readme"}


def test_files_come_beside_those_that_are_there(tmp_path) -> None:
    unpack(make_zip(tmp_path / "a.zip"), tmp_path / "folder")
    again = make_zip(tmp_path / "b.zip", {"set/readme": b"new", "set/images/val/3.txt": b"three"})
    assert content(unpack(again, tmp_path / "folder")) == FILES | {
        "set/readme": b"new",
        "set/images/val/3.txt": b"three",
    }
    assert {path.name for path in tmp_path.iterdir()} == {"a.zip", "b.zip", "folder"}


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda path: make_zip(path, {"good": b"", "../outside": b"x"}), "'../outside'"),
        (lambda path: make_zip(path, {"/outside": b"x"}), "'/outside'"),
        (lambda path: make_zip(path, {"a\\..\\..\\outside": b"x"}), "outside"),
        (make_link_zip, "'link', which is a link or device"),
        (lambda path: make_tar(path, {"good": b"", "a/../../outside": b"x"}), "outside"),
        (lambda path: make_tar(path, {"/outside": b"x"}), "'/outside'"),
        (lambda path: make_tar(path, {"l": b""}, type=tarfile.SYMTYPE, linkname="../outside"), "'l', which is a link"),
        (lambda path: make_tar(path, {"l": b""}, type=tarfile.LNKTYPE, linkname="/etc/passwd"), "'l', which is a link"),
        (lambda path: make_tar(path, {"d": b""}, type=tarfile.CHRTYPE), "'d', which is a link or device"),
        (lambda path: make_tar(path, {"p": b""}, type=tarfile.FIFOTYPE), "'p', which is a link or device"),
    ],
)
def test_what_would_be_written_elsewhere_is_refused_before_anything_is_written(tmp_path, make, named) -> None:
    archive = make(tmp_path / "archive")
    with pytest.raises(UserError, match="nothing was unpacked") as caught:
        unpack(archive, tmp_path / "folder")
    assert named in str(caught.value)
    assert str(archive) in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-60])
    return path


def spoiled(path: Path) -> Path:
    damaged = bytearray(make_zip(path, {"a": bytes(range(256)) * 100}).read_bytes())
    damaged[60] ^= 0xFF
    path.write_bytes(damaged)
    return path


@pytest.mark.parametrize(
    "make",
    [
        lambda path: cut(make_zip(path)),
        lambda path: cut(make_tar(path, mode="w:gz")),
        spoiled,
        lambda path: path,
        lambda path: (path.write_text("hello"), path)[1],
        lambda path: make_zip(path, {"a": b"x", "a/b": b"y"}),
    ],
    ids=["cut zip", "cut tar.gz", "spoiled zip", "missing", "no archive", "file and folder at once"],
)
def test_a_damaged_archive_is_one_line_and_leaves_nothing(tmp_path, make) -> None:
    archive = make(tmp_path / "archive")
    with pytest.raises(UserError, match="archive: cannot be unpacked: ") as caught:
        unpack(archive, tmp_path / "folder")
    assert "\n" not in str(caught.value)
    assert not [path for path in tmp_path.iterdir() if "folder" in path.name]


def test_a_full_disk_leaves_nothing_and_another_attempt_succeeds(tmp_path, monkeypatch) -> None:
    archive = make_zip(tmp_path / "a.zip")
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr(shutil, "copyfileobj", full)
        with pytest.raises(UserError, match=r"the disk ran full while a\.zip was written"):
            unpack(archive, tmp_path / "folder")
        assert not (tmp_path / "folder").exists()
    (tmp_path / ".folder.unfinished").mkdir()
    (tmp_path / ".folder.unfinished" / "left over").touch()
    assert content(unpack(archive, tmp_path / "folder")) == FILES


def test_more_than_fits_is_not_begun(tmp_path, monkeypatch) -> None:
    archive = make_tar(tmp_path / "a.tar", {"a": bytes(10**6)})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: namedtuple("usage", "free")(1000))
    with pytest.raises(UserError, match=r"a\.tar needs 1 MB, of which 1 kB are free"):
        unpack(archive, tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_impossible_sizes_are_refused_while_the_archive_is_listed(tmp_path) -> None:
    """Had it to be read to the next header, the last one would take days."""
    huge = tarfile.TarInfo("huge")
    huge.size = 10**18
    with (tmp_path / "b.tar").open("wb") as file:
        file.write(huge.tobuf(tarfile.GNU_FORMAT) + bytes(20 * 512))
    (tmp_path / "c.tar").write_bytes(bz2.compress((tmp_path / "b.tar").read_bytes()))
    for name in ("b.tar", "c.tar"):
        with pytest.raises(UserError, match="declares more than 1073741824 bytes"):
            unpack(tmp_path / name, tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_a_small_archive_may_not_hold_very_much(tmp_path) -> None:
    archive = make_zip(tmp_path / "a.zip")
    with (
        zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as opened,
        opened.open("zeros", "w", force_zip64=True) as file,
    ):
        for _ in range(1100):
            file.write(bytes(1 << 20))
    with pytest.raises(UserError, match=r"declares more than .* nothing was unpacked"):
        unpack(archive, tmp_path / "folder")


def test_members_are_counted_while_they_are_listed(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(archives, "MOST_MEMBERS", 2)
    for archive in (make_zip(tmp_path / "a.zip"), make_tar(tmp_path / "a.tar")):
        with pytest.raises(UserError, match="has more than 2 members; nothing was unpacked"):
            unpack(archive, tmp_path / "folder")


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_huge_headers_are_not_read(tmp_path, mode) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 3 << 30
    raw = header.tobuf(tarfile.USTAR_FORMAT) + bytes(20 * 512)
    (tmp_path / "a").write_bytes(gzip.compress(raw) if mode == "w:gz" else raw)
    with pytest.raises(UserError, match="cannot be unpacked: a header of 3221225472 bytes"):
        unpack(tmp_path / "a", tmp_path / "folder")


def test_files_with_holes_are_refused(tmp_path) -> None:
    holes = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(20 << 30), "size": "512"}
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("GNUSparseFile.0/sparse")
        member.size, member.pax_headers = 512, holes | {"GNU.sparse.name": "sparse"}
        archive.addfile(member, io.BytesIO(b"1\n0\n512\n".ljust(512, b"\0")))
    with pytest.raises(UserError, match="which is a link or device, or has holes"):
        unpack(tmp_path / "a.tar", tmp_path / "folder")
