"""CamVid and BCCD as they lie on disk, on files made for the purpose; on the real ones where there is a copy."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from hourglass.bench import datasets
from hourglass.bench.datasets import camvid
from hourglass.bench.datasets.rasters import write_pixels
from hourglass.registry import UserError

COPIES = Path(os.environ.get("HOURGLASS_DATA", ""))


def test_camvid_labels_start_at_zero_and_eleven_is_ignored(tmp_path):
    write_pixels(tmp_path / "test" / "a.png", np.zeros((2, 3, 3), np.uint8))
    write_pixels(tmp_path / "testannot" / "a.png", np.array([[0, 10, 11], [3, 3, 3]], np.uint8))
    data = camvid.SOURCE.open(tmp_path, "semantic-segmentation", "test")
    assert data[0].target.tolist() == [[0, 10, 255], [3, 3, 3]]
    assert data[0].name == "a"
    assert len(data.categories) == 11


def test_images_of_another_camvid_are_refused(tmp_path, monkeypatch):
    write_pixels(tmp_path / "mine" / "camvid" / "test" / "0001TP_008550.png", np.zeros((2, 3, 3), np.uint8))
    monkeypatch.setenv("HOURGLASS_DATA", str(tmp_path / "mine"))
    with pytest.raises(UserError, match=r"0001TP_008550\.png: is not the file of 'camvid'"):
        datasets.prepare("camvid", root=tmp_path / "data")


@pytest.mark.skipif(not (COPIES / "camvid").is_dir(), reason="HOURGLASS_DATA names no copy of CamVid")
@pytest.mark.parametrize(("split", "count"), [("train", 367), ("val", 101), ("test", 233)])
def test_camvid_copy(tmp_path, split, count):
    datasets.prepare("camvid", root=tmp_path, split=split)
    data = datasets.open_split("camvid", "semantic-segmentation", root=tmp_path, split=split)
    assert len(data) == count
    assert data[count - 1].image.shape == (3, 360, 480)
    assert data[count - 1].target.shape == (360, 480)


@pytest.mark.skipif(not (COPIES / "bccd").is_dir(), reason="HOURGLASS_DATA names no copy of BCCD")
@pytest.mark.parametrize(("split", "count", "boxes"), [("train", 205, 2804), ("val", 87, 1137), ("test", 72, 945)])
def test_bccd_copy(tmp_path, split, count, boxes):
    datasets.prepare("bccd", root=tmp_path, split=split)
    data = datasets.open_split("bccd", "object-detection", root=tmp_path, split=split)
    assert len(data) == count
    samples = [data[i] for i in range(count)]
    assert sum(len(sample.target.labels) for sample in samples) == boxes
    assert all(sample.image.shape == (3, 480, 640) and sample.target.size == (480, 640) for sample in samples)
