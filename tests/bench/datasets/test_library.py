"""A data set is prepared once, whole or not at all, and the user's own copy goes before a download."""

from __future__ import annotations

import pytest

from hourglass.bench import datasets
from hourglass.registry import UserError


class Letters:
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

    def load(self, folder, task, split):
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
    assert datasets.load("letters", "spelling", root=tmp_path)[1:] == ("spelling", "test")


def test_splits_are_added_one_by_one(tmp_path, letters):
    datasets.prepare("letters", root=tmp_path)
    datasets.prepare("letters", root=tmp_path, split="train")
    assert letters.filled == ["test", "train"]
    for split in letters.splits:
        assert datasets.load("letters", "spelling", root=tmp_path, split=split)[2] == split


def test_an_interrupted_preparation_is_not_ready_and_goes_on(tmp_path, letters):
    letters.breaks = True
    with pytest.raises(UserError, match="the line is dead"):
        datasets.prepare("letters", root=tmp_path)
    with pytest.raises(UserError, match="'test' is not prepared; run `hourglass prepare letters`"):
        datasets.load("letters", "spelling", root=tmp_path)
    letters.breaks = False
    datasets.prepare("letters", root=tmp_path)
    assert datasets.load("letters", "spelling", root=tmp_path)


def test_another_version_is_prepared_from_nothing(tmp_path, letters):
    datasets.prepare("letters", root=tmp_path)
    (tmp_path / "letters" / "left over").write_text("")
    letters.version = "2"
    with pytest.raises(UserError, match="not prepared"):
        datasets.load("letters", "spelling", root=tmp_path)
    datasets.prepare("letters", root=tmp_path)
    assert letters.filled == ["test", "test"]
    assert not (tmp_path / "letters" / "left over").exists()


def test_the_users_copy_is_used_in_place(tmp_path, letters, monkeypatch):
    copy = tmp_path / "mine" / "letters"
    copy.mkdir(parents=True)
    monkeypatch.setenv("HOURGLASS_DATA", str(tmp_path / "mine"))
    with pytest.raises(UserError, match="test-b: missing"):
        datasets.prepare("letters", root=tmp_path / "data")
    (copy / "test-b").write_text("b")
    datasets.prepare("letters", root=tmp_path / "data")
    assert letters.filled == []
    assert datasets.load("letters", "spelling", root=tmp_path / "data")[0].samefile(copy)
    copy.rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="this copy of 'letters' is gone"):
        datasets.load("letters", "spelling", root=tmp_path / "data")


def test_a_copy_that_is_not_there_is_downloaded(tmp_path, letters, monkeypatch):
    monkeypatch.setenv("HOURGLASS_DATA", str(tmp_path / "nothing"))
    datasets.prepare("letters", root=tmp_path)
    assert letters.filled == ["test"]


def test_unknown_tasks_and_splits_are_named(tmp_path, letters):
    datasets.prepare("letters", root=tmp_path)
    with pytest.raises(UserError, match="no targets for 'singing'; it has them for spelling"):
        datasets.load("letters", "singing", root=tmp_path)
    with pytest.raises(UserError, match="has no 'tset'; it has train, test"):
        datasets.load("letters", "spelling", root=tmp_path, split="tset")


def test_unknown_data_sets_suggest_the_nearest(tmp_path):
    with pytest.raises(UserError, match="did you mean 'camvid'"):
        datasets.prepare("camvit", root=tmp_path)


@pytest.mark.parametrize("name", datasets.names())
def test_every_source_answers(name):
    source = datasets.DATASETS.get(name)
    assert source.evaluation_split in source.splits
    assert datasets.tasks(name) == source.tasks
    assert source.version
