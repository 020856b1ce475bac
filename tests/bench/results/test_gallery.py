from __future__ import annotations

from pathlib import Path

import pytest

from hourglass.bench.results import gallery
from hourglass.bench.suites.suite import Suite

ENTRY = {"index": 3, "name": "photo", "values": {"miou": 0.5, "x": None}, "pictures": {"image": "QQ=="}}


def test_pictures_are_stored_beside_the_accuracy(suite: Suite, tmp_path: Path) -> None:
    case = suite.cases[1]
    path = gallery.save(tmp_path, case, [ENTRY, {"index": 4, "name": "other", "error": "no colour"}])
    assert path == tmp_path / "example" / case.id / "gallery.json"
    first, second = gallery.load(tmp_path, case)
    assert (first.name, first.values["miou"], first.pictures) == ("photo", 0.5, {"image": "QQ=="})
    assert second.error == "no colour"


def test_there_is_a_file_even_without_pictures(suite: Suite, tmp_path: Path) -> None:
    assert gallery.save(tmp_path, suite.cases[0], []).is_file()
    assert gallery.load(tmp_path, suite.cases[0]) == ()


@pytest.mark.parametrize("content", [None, "", "{", '{"schema_version": 1, "case": {}, "entries": []}', "[1]"])
def test_what_cannot_be_read_is_no_gallery(suite: Suite, tmp_path: Path, content: str | None) -> None:
    if content is not None:
        path = gallery.path_of(tmp_path, suite.cases[0])
        path.parent.mkdir(parents=True)
        path.write_text(content)
    assert gallery.load(tmp_path, suite.cases[0]) == ()


def test_pictures_of_another_case_are_not_taken(suite: Suite, tmp_path: Path) -> None:
    path = gallery.save(tmp_path, suite.cases[0], [ENTRY])
    path.parent.rename(path.parent.with_name(suite.cases[1].id))
    assert gallery.load(tmp_path, suite.cases[1]) == ()
