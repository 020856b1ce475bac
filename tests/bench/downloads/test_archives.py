"""Archives become whole folders or nothing, and never write elsewhere."""

from __future__ import annotations

import errno
import io
import stat
import tarfile
import zipfile
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


def test_a_folder_that_is_there_is_the_result(tmp_path) -> None:
    archive = make_zip(tmp_path / "a.zip")
    unpack(archive, tmp_path / "folder")
    archive.unlink()
    assert content(unpack(archive, tmp_path / "folder")) == FILES


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

        patch.setattr(archives.shutil, "copyfileobj", full)
        with pytest.raises(UserError, match=r"the disk ran full while a\.zip was written"):
            unpack(archive, tmp_path / "folder")
        assert not (tmp_path / "folder").exists()
    (tmp_path / ".folder.unfinished").mkdir()
    (tmp_path / ".folder.unfinished" / "left over").touch()
    assert content(unpack(archive, tmp_path / "folder")) == FILES


def test_more_than_fits_is_not_begun(tmp_path) -> None:
    make_tar(tmp_path / "a.tar", {"a": b"x"})
    huge = tarfile.TarInfo("huge")
    huge.size = 10**18
    with (tmp_path / "b.tar").open("wb") as file:
        file.write(huge.tobuf(tarfile.GNU_FORMAT) + bytes(20 * 512))
    with pytest.raises(UserError, match=r"cannot be unpacked|needs 1e\+09 GB"):
        unpack(tmp_path / "b.tar", tmp_path / "folder")
    assert not (tmp_path / "folder").exists()
