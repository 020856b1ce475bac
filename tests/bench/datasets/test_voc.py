"""Pascal VOC annotations become COCO's, slips of the mouse left out."""

from __future__ import annotations

import numpy as np
import pytest

from hourglass.bench.datasets.base import Category
from hourglass.bench.datasets.rasters import write_pixels
from hourglass.bench.datasets.voc import VocDataset, read_boxes
from hourglass.registry import UserError

CATEGORIES = (Category(1, "RBC", True, (0, 0, 0)), Category(2, "WBC", True, (0, 0, 0)))


def thing(name, *corners, extra=""):
    tags = "".join(
        f"<{tag}>{value}</{tag}>" for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    )
    return f"<object><name>{name}</name>{extra}<bndbox>{tags}</bndbox></object>"


def write(path, *objects):
    path.parent.mkdir(parents=True, exist_ok=True)
    size = "<size><width>64</width><height>48</height><depth>3</depth></size>"
    path.write_text(f"<annotation>{size}{''.join(objects)}</annotation>")
    return path


def boxes(tmp_path, *objects):
    return read_boxes(write(tmp_path / "a.xml", *objects), 3, CATEGORIES)


def test_pixels_are_counted_from_one_and_the_last_is_included(tmp_path):
    target = boxes(tmp_path, thing("WBC", 1, 1, 64, 48), thing("RBC", 11, 21, 20, 40))
    assert target.size == (48, 64)
    assert target.labels.tolist() == [1, 0]
    assert target.boxes.tolist() == [[0, 0, 64, 48], [10, 20, 20, 40]]
    assert [a["area"] for a in target.annotations] == [64 * 48, 200]
    assert {a["image_id"] for a in target.annotations} == {3}


def test_boxes_without_extent_are_left_out(tmp_path):
    target = boxes(tmp_path, thing("RBC", 5, 6, 5, 6), thing("RBC", 9, 9, 8, 20), thing("RBC", 5, 6, 7, 8))
    assert target.boxes.tolist() == [[4, 5, 7, 8]]
    assert boxes(tmp_path).boxes.shape == (0, 4)


def test_boxes_beyond_the_border_are_left_out(tmp_path):
    assert boxes(tmp_path, thing("RBC", 80, 6, 90, 9), thing("RBC", 5, -9, 9, -3)).boxes.shape == (0, 4)


def test_boxes_are_cut_at_the_border(tmp_path):
    assert boxes(tmp_path, thing("RBC", 0, -3, 70, 99)).boxes.tolist() == [[0, 0, 64, 48]]


def test_difficult_objects_are_crowd(tmp_path):
    target = boxes(tmp_path, thing("RBC", 5, 6, 9, 9, extra="<difficult>1</difficult>"), thing("RBC", 5, 6, 9, 9))
    assert target.crowd.tolist() == [True, False]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("<annotation>", "not a VOC annotation"),
        ("<annotation/>", "<size/width> is missing"),
        (
            "<annotation><size><width>6</width><height>4</height></size><object><name>RBC</name></object></annotation>",
            "<bndbox/xmin> is missing",
        ),
    ],
)
def test_broken_files_are_one_line(tmp_path, content, expected):
    (tmp_path / "a.xml").write_text(content)
    with pytest.raises(UserError, match=expected) as caught:
        read_boxes(tmp_path / "a.xml", 0, CATEGORIES)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("corners", [("nan", 1, 9, 9), (1, 1, "inf", 9), (1, 1, "wide", 9)])
def test_corners_that_are_no_numbers_are_one_line(tmp_path, corners):
    with pytest.raises(UserError, match=r"a\.xml: not a VOC annotation \("):
        boxes(tmp_path, thing("RBC", *corners))


def test_unknown_classes_and_missing_files_are_named(tmp_path):
    with pytest.raises(UserError, match="unknown class 'XBC'; did you mean 'WBC'"):
        boxes(tmp_path, thing("XBC", 1, 1, 2, 2))
    with pytest.raises(UserError, match="no such file"):
        read_boxes(tmp_path / "b.xml", 0, CATEGORIES)


def test_a_split_is_a_list_of_names(tmp_path):
    for stem in ("b", "a"):
        write(tmp_path / "Annotations" / f"{stem}.xml", thing("RBC", 1, 1, 2 + ord(stem) - ord("a"), 2))
        write_pixels(tmp_path / "JPEGImages" / f"{stem}.jpg", np.zeros((48, 64, 3), np.uint8))
    data = VocDataset("d", "test", CATEGORIES, tmp_path, ("a", "b"))
    assert [(data[i].name, data[i].image_id, int(data[i].target.boxes[0, 2])) for i in range(2)] == [
        ("a", 0, 2),
        ("b", 1, 3),
    ]
    assert VocDataset("d", "test", CATEGORIES, tmp_path, ("a",)).fingerprint != data.fingerprint
