"""The catalogue is valid, says of every file what can be said, and its mistakes are named."""

from __future__ import annotations

import re

import pytest
import yaml

from hourglass.bench import downloads
from hourglass.bench.downloads import catalogue
from hourglass.registry import UserError


@pytest.fixture(autouse=True)
def _packaged(monkeypatch) -> None:
    monkeypatch.delenv("HOURGLASS_ARTIFACTS", raising=False)


def test_every_data_set_and_model_family_is_there() -> None:
    found = {re.match(r"[a-z0-9]+", name)[0] for name in downloads.names()}
    assert found == {
        "ade20k", "cityscapes", "pascal", "coco", "nyu", "kitti",
        "segmenter", "mmseg", "dpt", "mask2former", "dino", "maskdino", "vitdet", "img",
    }  # fmt: skip


def test_kitti_has_one_archive_a_drive() -> None:
    drives = [downloads.get(name) for name in downloads.names() if "drive" in name]
    assert len(drives) == 28
    last = downloads.get("kitti-eigen-2011-10-03-drive-0047")
    assert last.file == "2011_10_03_drive_0047_sync.zip"
    assert last.urls[0].endswith("/raw_data/2011_10_03_drive_0047/2011_10_03_drive_0047_sync.zip")


@pytest.mark.parametrize("name", downloads.names())
def test_entries_are_consistent(name: str) -> None:
    artifact = downloads.get(name)
    assert "{}" not in artifact.file + "".join(artifact.urls)
    assert artifact.file in artifact.description
    if artifact.prefix:
        assert artifact.prefix.split(":")[1] in artifact.file
    if artifact.login:
        assert artifact.page
    assert artifact.size is None or artifact.about is None


def test_the_dead_are_known() -> None:
    """A plan of the paper's suite says what cannot be obtained."""
    dead = [name for name in downloads.names() if downloads.get(name).dead]
    assert dead == [
        "pascal-context-trainval-merged",
        "segmenter-l16-mask-ade20k",
        "segmenter-l16-mask-cityscapes",
        "segmenter-l16-mask-pascal-context",
    ]
    assert all(downloads.get(name).page for name in dead)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("cityscapes-leftimg8bit", "size", 11592327197),
        ("cityscapes-gtfine", "size", 252567705),
        ("nyu-depth-v2-labeled", "md5", "520609c519fba3ba5ac58c8fefcc3530"),
        ("nyu-depth-v2-splits", "md5", "08e3c3aea27130ac7c01ffd739a4535f"),
        ("ade20k-sceneparsing", "sha1", "219e1696abb36c8ba3a3afe7fb2f4b4606a897c7"),
    ],
)
def test_what_others_pinned_is_checked(name: str, field: str, value: object) -> None:
    assert getattr(downloads.get(name), field) == value
    assert downloads.get(name).source


def test_what_moved_is_asked_for_where_it_is_now() -> None:
    first = downloads.get("pascal-context-voctrainval").urls[0]
    assert first == "https://thor.robots.ox.ac.uk/pascal/VOC/voc2010/VOCtrainval_03-May-2010.tar"


@pytest.mark.parametrize("name", ["nyu-depth-v2-labeled", "nyu-depth-v2-splits", "kitti-eigen-depth-annotated"])
def test_where_a_host_refuses_there_is_a_page(name: str) -> None:
    page = downloads.get(name).page
    assert page
    assert page in downloads.get(name).description


def test_an_unknown_artifact_suggests_the_nearest(tmp_path) -> None:
    with pytest.raises(UserError, match="did you mean 'dpt-hybrid-nyu'"):
        downloads.fetch("dpt-hybrid-nyuu", root=tmp_path)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"file": "../a"}, "artifacts.thing.file"),
        ({"urls": ["ftp://example.org/a"]}, "artifacts.thing.urls.0"),
        ({"urls": []}, "has neither `urls`, nor a `package`, nor a `page`"),
        ({"sha256": "abc"}, "artifacts.thing.sha256"),
        ({"sha265": "0" * 64}, "did you mean 'sha256'"),
        ({"each": ["a", "b"]}, "'a.zip' is also the file of"),
    ],
)
def test_mistakes_are_named(tmp_path, monkeypatch, entry, message) -> None:
    whole = {"file": "a.zip", "urls": ["https://example.org/a"], "confidence": "high", "source": "a test"} | entry
    name = "thing-{}" if "each" in entry else "thing"
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"artifacts": {name: whole}}))
    monkeypatch.setenv("HOURGLASS_ARTIFACTS", str(path))
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        catalogue.names()
    assert str(caught.value).startswith(f"{path}:")
