"""What is written in a standard format is read back the same."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from hourglass.bench.datasets.base import Category, Panoptic, Segment
from hourglass.bench.datasets.coco import files, masks, panoptic
from hourglass.bench.datasets.folders import InstancesDataset, PanopticDataset, RasterDataset
from hourglass.bench.datasets.rasters import (
    read_depth,
    read_image,
    read_semantic,
    write_depth,
    write_pixels,
    write_semantic,
)
from hourglass.registry import UserError

CATEGORIES = (
    Category(7, "cat", True, (1, 2, 3)),
    Category(9, "dog", True, (4, 5, 6)),
    Category(2, "sky", False, (7, 8, 9)),
)
RNG = np.random.default_rng(0)


def test_semantic_labels_survive_and_ignored_pixels_stay_ignored(tmp_path):
    labels = RNG.integers(0, 3, (5, 7))
    labels[0, 0] = 255
    write_semantic(tmp_path / "a.png", labels)
    assert torch.equal(read_semantic(tmp_path / "a.png", range(1, 4)), torch.from_numpy(labels))


def test_labels_beyond_the_classes_are_ignored(tmp_path):
    write_pixels(tmp_path / "a.png", np.array([[0, 10, 11, 200]], np.uint8))
    assert read_semantic(tmp_path / "a.png", range(11)).tolist() == [[0, 10, 255, 255]]


def test_depth_keeps_millimetres_and_unknown_pixels(tmp_path):
    depth = np.array([[0.0, 1.2346, 60.0, 65.535]], np.float32)
    write_depth(tmp_path / "a.png", depth)
    assert read_depth(tmp_path / "a.png").tolist() == [[np.float32(x) for x in (0.0, 1.235, 60.0, 65.535)]]


@pytest.mark.parametrize("depth", [-0.1, 65.6, np.nan, np.inf])
def test_depth_that_does_not_fit_is_refused(tmp_path, depth):
    with pytest.raises(ValueError, match="depth: values must lie in"):
        write_depth(tmp_path / "a.png", np.array([[depth]]))


def test_grey_images_become_rgb(tmp_path):
    write_pixels(tmp_path / "a.png", np.array([[1, 2]], np.uint8))
    assert read_image(tmp_path / "a.png").tolist() == [[[1, 2]]] * 3


def test_missing_and_damaged_images_are_one_line(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG nothing more")
    for name, expected in (("a.png", "not a readable image"), ("b.png", "no such file")):
        with pytest.raises(UserError, match=expected) as caught:
            read_image(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_masks_survive_every_form():
    mask = RNG.random((6, 9)) > 0.5
    encoded = masks.encode(mask)
    json.dumps(encoded)
    assert np.array_equal(masks.decode(encoded, (6, 9)), mask)
    runs = [int(n) for n in np.diff(np.flatnonzero(np.diff(mask.T.ravel(), prepend=~mask[0, 0], append=~mask[-1, -1])))]
    counts = runs if not mask[0, 0] else [0, *runs]
    assert np.array_equal(masks.decode({"size": [6, 9], "counts": counts}, (6, 9)), mask)
    square = masks.decode([[1, 1, 4, 1, 4, 3, 1, 3]], (6, 9))
    assert square.sum() == 6
    assert square[1:3, 1:4].all()


def test_an_annotation_says_box_and_area_of_its_mask():
    mask = np.zeros((6, 9), bool)
    mask[2:5, 3:4] = mask[4, 3:8] = True
    annotation = masks.annotate(mask, id=3, image_id=1, category_id=7)
    assert annotation["bbox"] == [3, 2, 5, 3]
    assert annotation["area"] == 7
    with pytest.raises(ValueError, match="annotation 3 of image 1 has no pixel"):
        masks.annotate(np.zeros((2, 2)), id=3, image_id=1, category_id=7)


def test_ids_are_colours_in_three_digits_of_base_256():
    ids = np.array([[0, 255, 256, 65536 + 2 * 256 + 3, 256**3 - 1]])
    assert panoptic.ids_to_rgb(ids)[0, 3].tolist() == [3, 2, 1]
    assert np.array_equal(panoptic.rgb_to_ids(panoptic.ids_to_rgb(ids)), ids)


def _write_instances(root):
    masks_of = [np.zeros((4, 6), bool) for _ in range(2)]
    masks_of[0][:2, :3] = masks_of[1][3, 2:] = True
    annotations = [
        masks.annotate(m, id=i + 1, image_id=5, category_id=c)
        for i, (m, c) in enumerate(zip(masks_of, (9, 7), strict=True))
    ]
    for name in ("x", "y"):
        write_pixels(root / "images" / f"{name}.png", RNG.integers(0, 255, (4, 6, 3), dtype=np.uint8))
    infos = [files.ImageInfo(5, "y.png", 4, 6), files.ImageInfo(4, "x.png", 4, 6)]
    files.write(root / "instances.json", infos, CATEGORIES[:2], annotations)
    return masks_of


def test_instances_come_back_by_image_id(tmp_path):
    masks_of = _write_instances(tmp_path)
    data = InstancesDataset("d", "val", CATEGORIES, tmp_path, tmp_path / "images", tmp_path / "instances.json")
    assert [data[i].image_id for i in range(len(data))] == [4, 5]
    empty, full = data[0].target, data[1].target
    assert empty.boxes.shape == (0, 4)
    assert empty.masks.shape == (0, 4, 6)
    assert full.labels.tolist() == [1, 0]
    assert full.boxes.tolist() == [[0, 0, 3, 2], [2, 3, 6, 4]]
    assert np.array_equal(full.masks.numpy(), np.stack(masks_of))
    assert not full.crowd.any()


def test_unknown_categories_are_named(tmp_path):
    _write_instances(tmp_path)
    data = InstancesDataset("d", "val", CATEGORIES[1:], tmp_path, tmp_path / "images", tmp_path / "instances.json")
    with pytest.raises(UserError, match="image 5 has the unknown category_id 7"):
        data[1]


@pytest.mark.parametrize(
    ("content", "expected"), [("{", "not valid JSON"), ("{}", "field 'images'"), ("[]", "COCO's format")]
)
def test_broken_annotation_files_are_one_line(tmp_path, content, expected):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(UserError, match=expected) as caught:
        files.read(tmp_path / "a.json")
    assert "\n" not in str(caught.value)


def _panoptic():
    ids = torch.tensor([[0, 300, 300], [7, 7, 300]])
    return Panoptic(ids, (Segment(300, 0, 3), Segment(7, 2, 2, crowd=True)))


def _write_panoptic(root, target):
    write_pixels(root / "images" / "x.png", np.zeros((2, 3, 3), np.uint8))
    panoptic.write_png(root / "panoptic_val" / "x.png", target)
    annotation = panoptic.annotate(target, image_id=1, file_name="x.png", categories=CATEGORIES)
    files.write(root / "panoptic_val.json", [files.ImageInfo(1, "x.png", 2, 3)], CATEGORIES, [annotation])
    return PanopticDataset("d", "val", CATEGORIES, root, root / "images", root / "panoptic_val.json")


def test_panoptic_maps_come_back(tmp_path):
    sample = _write_panoptic(tmp_path, _panoptic())[0]
    assert torch.equal(sample.target.ids, _panoptic().ids)
    assert sample.target.segments == _panoptic().segments


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 2)])
def test_panoptic_maps_of_too_few_channels_are_named(tmp_path, shape):
    data = _write_panoptic(tmp_path, _panoptic())
    write_pixels(tmp_path / "panoptic_val" / "x.png", np.zeros(shape, np.uint8))
    with pytest.raises(UserError, match=r"x\.png: has [12] channels; a panoptic PNG has three"):
        data[0]


def test_panoptic_boxes_are_those_of_the_segments(tmp_path):
    annotation = panoptic.annotate(_panoptic(), image_id=1, file_name="x.png", categories=CATEGORIES)
    assert [info["bbox"] for info in annotation["segments_info"]] == [[1, 0, 2, 2], [0, 1, 2, 1]]


@pytest.mark.parametrize(
    ("segments", "expected"),
    [((Segment(300, 0, 3),), r"segments \[7\] of the PNG"), ((Segment(5, 0, 3),), "segment 5 of the JSON")],
)
def test_panoptic_files_that_disagree_are_refused(tmp_path, segments, expected):
    data = _write_panoptic(tmp_path, Panoptic(_panoptic().ids, segments))
    with pytest.raises(UserError, match=expected):
        data[0]


def test_fingerprints_follow_the_content_only(tmp_path):
    first, second = (_write_panoptic(tmp_path / name, _panoptic()) for name in "ab")
    assert first.fingerprint == second.fingerprint
    write_pixels(tmp_path / "b" / "images" / "x.png", np.ones((2, 3, 3), np.uint8))
    assert replace(second).fingerprint != first.fingerprint


def test_rasters_are_paired_by_name(tmp_path):
    for stem in ("b", "a"):
        write_pixels(tmp_path / "images" / f"{stem}.png", np.zeros((2, 2, 3), np.uint8))
        write_semantic(tmp_path / "labels" / f"{stem}.png", np.full((2, 2), ord(stem) - ord("a")))
    arguments = ("d", "val", CATEGORIES, tmp_path, lambda path: read_semantic(path, range(1, 4)), "images", "labels")
    data = RasterDataset.matching(*arguments)
    assert [int(data[i].target[0, 0]) for i in range(len(data))] == [0, 1]
    (tmp_path / "labels" / "a.png").unlink()
    with pytest.raises(UserError, match=r"labels/a\.png: missing"):
        RasterDataset.matching(*arguments)


def coco(**changes):
    """A valid instances file of one image of 4 x 6 pixels, with changes: a value, or a function of the entry."""
    image = {"id": 5, "file_name": "y.png", "height": 4, "width": 6}
    annotation = {"id": 1, "image_id": 5, "category_id": 7, "bbox": [1, 1, 2, 2], "area": 4, "iscrowd": 0}
    for where, value in changes.items():
        kind, _, field = where.partition("_")
        entry = image if kind == "image" else annotation
        if value is None:
            del entry[field]
        else:
            entry[field] = value
    return {"images": [image], "annotations": [annotation]}


def read_back(tmp_path, content):
    (tmp_path / "a.json").write_text(json.dumps(content))
    return files.read(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_id": True}, "images.0: True is no whole number"),
        ({"image_id": "five"}, "images.0: invalid literal"),
        ({"image_id": float("inf")}, "images.0: cannot convert float infinity"),
        ({"image_height": 0}, "images.0: is 6 x 0 pixels"),
        ({"image_file_name": "../../etc/passwd"}, "images.0: file_name: '../../etc/passwd' leads out of the folder"),
        ({"image_file_name": "/etc/passwd"}, "leads out of the folder"),
        ({"image_file_name": "a\\..\\b"}, "leads out of the folder"),
        ({"image_file_name": "a\0b"}, "leads out of the folder"),
        ({"image_file_name": ""}, "leads out of the folder"),
        ({"annotation_image_id": 6}, "annotations.0: is of the image 6, which is not listed"),
        ({"annotation_bbox": [1, 1, -2, 2]}, r"annotations.0: its bbox is \[1, 1, -2, 2\]"),
        ({"annotation_bbox": [float("nan"), 1, 2, 2]}, "its bbox is"),
        ({"annotation_bbox": [1, 1, float("inf"), 2]}, "its bbox is"),
        ({"annotation_bbox": [1, 1, 10**400, 2]}, "annotations.0: int too large"),
        (
            {"annotation_bbox": [-9, 1, 2, 2]},
            r"annotations.0: its bbox \[-9, 1, 2, 2\] is beyond an image of 6 x 4 pix",
        ),
        ({"annotation_bbox": [1, 5, 2, 2]}, "is beyond an image of 6 x 4 pixels"),
        ({"annotation_bbox": [1, 1, 2]}, "annotations.0: not enough values"),
        ({"annotation_bbox": None}, "annotations.0: field 'bbox' is missing"),
        ({"annotation_area": float("nan")}, "its area is nan"),
        ({"annotation_category_id": 7.5}, "7.5 is no whole number"),
        ({"annotation_segmentation": [[1, 1, 4, float("nan"), 4, 3]]}, "is no polygon"),
        ({"annotation_segmentation": [[1, 1, 4, 1, 4]]}, "is no polygon"),
        ({"annotation_segmentation": ["12345678"]}, "is no polygon"),
        ({"annotation_segmentation": [[0, 0, 6, 0, 6, 9]]}, "is beyond an image of 6 x 4 pixels"),
        ({"annotation_segmentation": [[-7, 0, 6, 0, 6, 3]]}, "is beyond an image of 6 x 4 pixels"),
        ({"annotation_segmentation": [[0, 0, 1e9, 0, 6, 3]], "annotation_area": None}, "is beyond an image"),
        ({"annotation_segmentation": "all"}, "expected polygons or run lengths"),
        (
            {"annotation_segmentation": {"size": [6, 4], "counts": [24]}},
            r"annotations.0: segmentation: run lengths of height and width \(6, 4\) in an image of \(4, 6\)",
        ),
        ({"annotation_segmentation": {"size": [4, 6], "counts": [25]}}, "do not add up to 4 x 6 pixels"),
        ({"annotation_segmentation": {"size": [4, 6], "counts": "0PReb8"}}, "RLE counts exceed the mask dimensions"),
        ({"annotation_segmentation": {"size": [4, 6], "counts": "PPPP"}}, "malformed"),
    ],
)
def test_what_cannot_be_in_a_coco_file_is_named(tmp_path, changes, message):
    with pytest.raises(UserError, match=message) as caught:
        read_back(tmp_path, coco(**changes))
    assert str(caught.value).startswith(f"{tmp_path / 'a.json'}: ")
    assert "\n" not in str(caught.value)


def test_objects_may_reach_a_little_over_the_border(tmp_path):
    content = coco(annotation_bbox=[-1, 1, 4, 2], annotation_segmentation=[[-1, 1, 3, 1, 3, 3, -1, 3]])
    (annotation,) = read_back(tmp_path, content).annotations[5]
    assert annotation["bbox"] == [-1, 1, 4, 2]
    assert masks.decode(annotation["segmentation"], (4, 6)).sum() == 6


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1, 1], "two of them have the same id"),
        ([1, 1.5], "1.5 is no whole number"),
        ([1, float("inf")], "cannot convert float infinity"),
    ],
)
def test_categories_have_ids_of_their_own(tmp_path, ids, message):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"categories": [{"id": number, "name": str(number)} for number in ids]}))
    with pytest.raises(UserError, match=f"a.json: categories: {message}"):
        files.read_categories(path)


def test_nothing_counts_twice(tmp_path):
    once = coco()
    image, annotation = once["images"][0], once["annotations"][0]
    for twice, message in (
        (once | {"images": [image, image]}, "images.1: is listed twice"),
        (once | {"images": [image, image | {"id": 6}]}, "images.1: is listed twice"),
        (once | {"annotations": [annotation, annotation]}, "annotations.1: has the id 1, as another one has"),
    ):
        with pytest.raises(UserError, match=message):
            read_back(tmp_path, twice)


def test_ids_may_be_texts_and_areas_missing(tmp_path):
    whole = coco(image_id="5", annotation_image_id="5", annotation_id="1", annotation_area=None)
    file = read_back(tmp_path, whole)
    assert [image.id for image in file.images] == [5]
    assert file.annotations[5][0]["area"] == 4, "of the box"
    whole["annotations"][0]["segmentation"] = [[1, 1, 4, 1, 4, 3, 1, 3]]
    assert read_back(tmp_path, whole).annotations[5][0]["area"] == 6, "of the mask"


def test_images_of_one_stem_in_different_folders_keep_different_names(tmp_path):
    content = coco()
    content["images"] = [
        coco()["images"][0] | {"id": n, "file_name": f"{city}/1.png"} for n, city in ((5, "a"), (6, "b"))
    ]
    (tmp_path / "a.json").write_text(json.dumps(content))
    for city in "ab":
        write_pixels(tmp_path / "images" / city / "1.png", np.zeros((4, 6, 3), np.uint8))
    data = InstancesDataset("d", "val", CATEGORIES, tmp_path, tmp_path / "images", tmp_path / "a.json")
    assert [data[index].name for index in range(2)] == ["a/1", "b/1"]


def test_images_unlike_their_annotations_are_named(tmp_path):
    _write_instances(tmp_path)
    write_pixels(tmp_path / "images" / "y.png", np.zeros((5, 6, 3), np.uint8))
    data = InstancesDataset("d", "val", CATEGORIES, tmp_path, tmp_path / "images", tmp_path / "instances.json")
    with pytest.raises(UserError, match=r"y\.png: is 6 x 5 pixels, but its annotations are for 6 x 4"):
        data[1]


def test_panoptic_maps_unlike_the_list_are_named(tmp_path):
    data = _write_panoptic(tmp_path, _panoptic())
    content = json.loads((tmp_path / "panoptic_val.json").read_text())
    content["images"][0]["height"] = 3
    (tmp_path / "panoptic_val.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"image 1 is \(3, 3\) there, but its map is \(2, 3\)"):
        data[0]
    content["annotations"][0]["segments_info"] *= 2
    (tmp_path / "panoptic_val.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"annotations.0: lists a segment twice"):
        files.read(tmp_path / "panoptic_val.json")
