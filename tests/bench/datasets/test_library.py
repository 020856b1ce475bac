"""A data set is prepared once, whole or not at all, and the user's own copy goes before a download."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hourglass.bench import datasets
from hourglass.bench.datasets.preparation import READY, WRITTEN
from hourglass.registry import UserError


class Letters(datasets.Source):
    """A source that counts its work and can break in the middle."""

    version = "1"
    tasks = ("spelling",)
    splits = ("train", "test")
    evaluation_split = "test"

    def __init__(self):
        self.filled = []
        self.breaks = False

    def fill(self, folder, split):
        self.filled.append(split)
        (folder / f"{split}-a").write_text("a")
        if self.breaks:
            raise UserError("letters: the line is dead")
        (folder / f"{split}-b").write_text("b")

    def verify(self, folder, split):
        if not (folder / f"{split}-b").is_file():
            raise UserError(f"{folder / split}-b: missing")
        return f"fingerprint of {split}"

    def open(self, folder, task, split):
        return folder, task, split


@pytest.fixture
def letters(monkeypatch):
    source = Letters()
    monkeypatch.delenv("HOURGLASS_DATA", raising=False)
    with datasets.DATASETS.replaced("letters", source):
        yield source


def test_what_is_prepared_is_not_prepared_again(tmp_path, letters):
    assert datasets.prepare("letters", root=tmp_path) == tmp_path / "letters"
    datasets.prepare("letters", root=tmp_path)
    assert letters.filled == ["test"]
    assert datasets.open_split("letters", "spelling", root=tmp_path)[1:] == ("spelling", "test")


def test_splits_are_added_one_by_one(tmp_path, letters):
    datasets.prepare("letters", root=tmp_path)
    datasets.prepare("letters", root=tmp_path, split="train")
    assert letters.filled == ["test", "train"]
    for split in letters.splits:
        assert datasets.open_split("letters", "spelling", root=tmp_path, split=split)[2] == split


def test_an_interrupted_preparation_is_not_ready_and_goes_on(tmp_path, letters):
    letters.breaks = True
    with pytest.raises(UserError, match="the line is dead"):
        datasets.prepare("letters", root=tmp_path)
    with pytest.raises(UserError, match="'test' is not prepared; run `hourglass prepare letters`"):
        datasets.open_split("letters", "spelling", root=tmp_path)
    letters.breaks = False
    datasets.prepare("letters", root=tmp_path)
    assert datasets.open_split("letters", "spelling", root=tmp_path)


def test_another_version_is_prepared_from_nothing(tmp_path, letters):
    datasets.prepare("letters", root=tmp_path)
    datasets.prepare("letters", root=tmp_path, split="train")
    letters.version = "2"
    with pytest.raises(UserError, match="not prepared"):
        datasets.open_split("letters", "spelling", root=tmp_path)
    datasets.prepare("letters", root=tmp_path)
    assert letters.filled == ["test", "train", "test"]
    assert files(tmp_path / "letters") == {"test-a": "a", "test-b": "b"}


def test_the_users_copy_is_used_in_place(tmp_path, letters, monkeypatch):
    copy = tmp_path / "mine" / "letters"
    copy.mkdir(parents=True)
    monkeypatch.setenv("HOURGLASS_DATA", str(tmp_path / "mine"))
    with pytest.raises(UserError, match="test-b: missing"):
        datasets.prepare("letters", root=tmp_path / "data")
    (copy / "test-b").write_text("b")
    datasets.prepare("letters", root=tmp_path / "data")
    assert letters.filled == []
    assert datasets.open_split("letters", "spelling", root=tmp_path / "data")[0].samefile(copy)
    copy.rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="this copy of 'letters' is gone"):
        datasets.open_split("letters", "spelling", root=tmp_path / "data")


def files(folder):
    """Content by path, without what the project notes."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name not in (READY, WRITTEN))
    return {path.relative_to(folder).as_posix(): path.read_text() for path in found}


MINE = {"test-a": "my a", "test-b": "my b", "notes/mine.txt": "years of work"}


def put(folder, content=MINE):
    for name, text in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_an_own_copy_where_data_sets_are_prepared_is_used_and_kept(tmp_path, letters, monkeypatch):
    mine = put(tmp_path / "data" / "letters")
    datasets.prepare("letters", root=tmp_path / "data")
    for step in ("as it is", "named", "moved", "another version", "not named any more"):
        monkeypatch.delenv("HOURGLASS_DATA", raising=False)
        if step == "named":
            monkeypatch.setenv("HOURGLASS_DATA", str(mine.parent))
        if step == "moved":
            mine = mine.parent.rename(tmp_path / "elsewhere") / "letters"
        if step == "another version":
            letters.version = "2"
        assert datasets.prepare("letters", root=mine.parent) == mine
        assert files(mine) == MINE
        assert letters.filled == []


def test_an_own_copy_that_is_incomplete_is_named_and_kept(tmp_path, letters):
    mine = put(tmp_path / "letters", {"test-a": "my a", "holiday.jpg": "the only one"})
    for _ in range(2):
        with pytest.raises(UserError, match="test-b: missing"):
            datasets.prepare("letters", root=tmp_path)
        assert files(mine) == {"test-a": "my a", "holiday.jpg": "the only one"}
    assert letters.filled == []


def test_an_own_copy_that_is_gone_gives_way_to_a_download(tmp_path, letters, monkeypatch):
    mine = put(tmp_path / "mine" / "letters")
    monkeypatch.setenv("HOURGLASS_DATA", str(mine.parent))
    datasets.prepare("letters", root=tmp_path / "data")
    mine.rename(tmp_path / "moved")
    datasets.prepare("letters", root=tmp_path / "data")
    assert files(tmp_path / "data" / "letters") == {"test-a": "a", "test-b": "b"}
    assert files(tmp_path / "moved") == MINE


def test_a_linked_folder_is_never_written_to_but_for_the_record(tmp_path, letters):
    mine = put(tmp_path / "mine")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "letters").symlink_to(mine)
    datasets.prepare("letters", root=tmp_path / "data")
    letters.version = "2"
    datasets.prepare("letters", root=tmp_path / "data")
    assert files(mine) == MINE
    assert letters.filled == []


def test_what_the_user_changed_or_added_is_neither_removed_nor_replaced(tmp_path, letters):
    folder = datasets.prepare("letters", root=tmp_path)
    datasets.prepare("letters", root=tmp_path, split="train")
    (folder / "test-a").write_text("corrected by hand")
    put(folder, {"notes/mine.txt": "years of work"})
    letters.version = "2"
    with pytest.raises(UserError, match=r"letters/test-a: is in the way, and this project did not write it; move it"):
        datasets.prepare("letters", root=tmp_path)
    assert files(folder) == {"test-a": "corrected by hand", "notes/mine.txt": "years of work"}
    (folder / "test-a").rename(tmp_path / "kept")
    datasets.prepare("letters", root=tmp_path)
    assert files(folder) == {"test-a": "a", "test-b": "b", "notes/mine.txt": "years of work"}


def test_links_within_the_folder_are_not_followed(tmp_path, letters, monkeypatch):
    """A folder that was replaced by a link to the user's own: neither removed from nor written to."""
    monkeypatch.setattr(letters, "fill", lambda folder, split: put(folder, {"deep/a": "a", f"{split}-b": "b"}))
    folder = datasets.prepare("letters", root=tmp_path / "data")
    times = (folder / "deep" / "a").stat()
    mine = put(tmp_path / "mine", {"a": "a"})
    os.utime(mine / "a", ns=(times.st_atime_ns, times.st_mtime_ns))
    shutil.rmtree(folder / "deep")
    (folder / "deep").symlink_to(mine)
    letters.version = "2"
    with pytest.raises(UserError, match=r"is in the way|leads out of"):
        datasets.prepare("letters", root=tmp_path / "data")
    assert files(mine) == {"a": "a"}
    assert (folder / "deep").is_symlink()


def test_a_file_that_is_called_like_the_record_is_not_replaced(tmp_path, letters):
    put(tmp_path / "letters", {"ready.json": "mine"})
    with pytest.raises(UserError, match=r"ready\.json: is in the way, and this project did not write it"):
        datasets.prepare("letters", root=tmp_path)
    assert (tmp_path / "letters" / "ready.json").read_text() == "mine"


@pytest.mark.parametrize("damaged", ["", "{", "[]", '{"version": "1"}', '{"version": "1", "files": 3}'])
def test_a_damaged_list_of_what_was_written_makes_nothing_the_projects(tmp_path, letters, damaged):
    folder = put(datasets.prepare("letters", root=tmp_path), {"test-a": "corrected by hand"})
    (folder / WRITTEN).write_text(damaged)
    letters.version = "2"
    with pytest.raises(UserError, match=r"letters/test-a: is in the way, and this project did not write it; move it"):
        datasets.prepare("letters", root=tmp_path)
    assert files(folder) == {"test-a": "corrected by hand", "test-b": "b"}


@pytest.mark.parametrize("damaged", ["{", '{"version": "1", "location": 3, "splits": {}}', '{"version": "1"}'])
def test_a_damaged_record_is_one_line(tmp_path, letters, damaged):
    (datasets.prepare("letters", root=tmp_path) / READY).write_text(damaged)
    with pytest.raises(UserError, match=r"'test' is not prepared; run `hourglass prepare letters`"):
        datasets.open_split("letters", "spelling", root=tmp_path)
    with pytest.raises(UserError, match=r"ready\.json: is in the way, and this project did not write it; move it away"):
        datasets.prepare("letters", root=tmp_path)


def test_what_is_complete_but_for_the_record_is_not_made_again(tmp_path, letters):
    """Snakemake removes the outputs of a job before it starts."""
    folder = datasets.prepare("letters", root=tmp_path)
    (folder / "ready.json").unlink()
    datasets.prepare("letters", root=tmp_path)
    assert letters.filled == ["test"]
    assert (folder / "ready.json").is_file()


PREPARE = """
import sys, time
from pathlib import Path
from hourglass.bench.datasets import preparation
from tests.bench.datasets.test_library import Letters

class Slow(Letters):
    def fill(self, folder, split):
        if any(folder.iterdir()):
            raise SystemExit("somebody else is here")
        super().fill(folder, split)
        time.sleep(0.3)

preparation.prepare(Slow(), "letters", Path(sys.argv[1]) / "letters", "test", None)
"""


def test_several_processes_prepare_it_once(tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[3]), *sys.path])}
    command = [sys.executable, "-c", PREPARE, str(tmp_path)]
    started = [subprocess.Popen(command, env=environment) for _ in range(3)]
    assert [process.wait(timeout=300) for process in started] == [0, 0, 0]
    assert files(tmp_path / "letters") == {"test-a": "a", "test-b": "b"}
    assert {path.name for path in tmp_path.iterdir()} == {"letters", ".letters.guard"}


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, letters, monkeypatch):
    (tmp_path / "data").write_text("a file where a folder should be")
    with pytest.raises(UserError, match=r"letters: cannot be written: .*; make its folder writable") as caught:
        datasets.prepare("letters", root=tmp_path / "data")
    assert "\n" not in str(caught.value)

    def full(folder, split):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(letters, "fill", full)
    with pytest.raises(UserError, match="No space left on device; make room"):
        datasets.prepare("letters", root=tmp_path / "other")


def test_a_copy_that_is_not_there_is_downloaded(tmp_path, letters, monkeypatch):
    monkeypatch.setenv("HOURGLASS_DATA", str(tmp_path / "nothing"))
    datasets.prepare("letters", root=tmp_path)
    assert letters.filled == ["test"]


def test_unknown_tasks_and_splits_are_named(tmp_path, letters):
    datasets.prepare("letters", root=tmp_path)
    with pytest.raises(UserError, match="no targets for 'singing'; it has them for spelling"):
        datasets.open_split("letters", "singing", root=tmp_path)
    with pytest.raises(UserError, match="has no 'tset'; it has train, test"):
        datasets.open_split("letters", "spelling", root=tmp_path, split="tset")


def test_unknown_data_sets_suggest_the_nearest(tmp_path):
    with pytest.raises(UserError, match="did you mean 'camvid'"):
        datasets.prepare("camvit", root=tmp_path)


@pytest.mark.parametrize("name", datasets.DATASETS.names())
def test_every_source_answers(name):
    source = datasets.DATASETS.get(name)
    assert source.evaluation_split in source.splits
    assert datasets.DATASETS.get(name).tasks == source.tasks
    assert source.version
