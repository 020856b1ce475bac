"""The paper's data sets are read as they are published: labels, boxes, segments, depth, and what is left out."""

from __future__ import annotations

import json
import shutil
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from hourglass.bench import datasets, downloads
from hourglass.bench.datasets import kitti, nyuv2, pascal_context
from hourglass.bench.datasets.rasters import write_pixels
from hourglass.registry import UserError

from . import miniatures


def present(labels):
    return labels.unique().tolist()


@pytest.mark.parametrize("name", miniatures.COUNTS)
def test_every_data_set_fills_from_its_archives_alone(name, load, tmp_path):
    data = load(name)
    assert len(data) == miniatures.COUNTS[name]
    names = [data[index].name for index in range(len(data))]
    assert len(set(names)) == len(names), "predictions are filed under them"
    folder = tmp_path / "data" / name
    assert not list(folder.rglob("*.unpacked")), "nothing is left of unpacking"
    assert not [path for path in folder.rglob("*train*") if path.is_file()], "other splits are left in the archives"
    ready = json.loads((folder / "ready.json").read_text())
    assert list(ready["splits"]) == [data.split]


@pytest.mark.parametrize("name", miniatures.COUNTS)
def test_an_own_copy_is_laid_out_like_the_archives(name, load, tmp_path, monkeypatch, published):
    load(name)
    mine = tmp_path / "mine" / name
    shutil.copytree(tmp_path / "data" / name, mine)
    monkeypatch.setenv("HOURGLASS_DATA", str(mine.parent))
    published.clear()
    datasets.prepare(name, root=tmp_path / "other")
    data = datasets.open_split(name, datasets.DATASETS.get(name).tasks[0], root=tmp_path / "other")
    assert data.root.samefile(mine)


def test_ade20k_ignores_other_and_counts_from_one(load):
    data = load("ade20k")
    assert data[0].target.shape == data[0].image.shape[1:] == (48, 72)
    assert present(data[0].target) == [0, 12, 149, 255]
    assert [data.categories[label].name for label in (0, 12, 149)] == ["wall", "person", "flag"]
    assert torch.equal(data[1].image[0], data[1].image[2]), "grey images become RGB"
    assert not torch.equal(data[0].image[0], data[0].image[2])


def test_ade20k_panoptic_pastes_instances_over_stuff(load):
    target = load("ade20k", "panoptic-segmentation")[0].target
    # Eight strips of 9 x 48 pixels. The wall's area is the one before a person was pasted over half of it.
    assert [(segment.label, segment.area) for segment in target.segments] == [
        (0, 2 * 432),
        (12, 2 * 432),
        (12, 432),
        (149, 432),
    ]
    assert target.ids[0, 4::9].tolist() == [0, 0, 1, 2, 2, 3, 0, 4]


def test_ade20k_has_a_hundred_things(load):
    categories = load("ade20k").categories
    assert len(categories) == 150
    things = [category.name for category in categories if category.isthing]
    assert (len(things), things[0], things[3], things[-1]) == (100, "bed", "person", "flag")


@pytest.mark.parametrize(("kind", "size"), [(0, (48, 72)), (101, (48, 72)), (4, (48, 71))])
def test_ade20k_instances_without_a_class_or_of_another_size_are_named(load, kind, size):
    data = load("ade20k", "panoptic-segmentation")
    pixels = np.zeros((*size, 3), np.uint8)
    pixels[:5] = kind, 1, 0
    write_pixels(data.paths[0][2], pixels)
    with pytest.raises(UserError, match=r"instance 1 has no class, or several|is of another size than"):
        data[0]


def test_cityscapes_maps_label_ids_to_train_ids(load):
    data = load("cityscapes")
    assert present(data[0].target) == [0, 1, 18, 255]
    assert (data[0].target[:, :25] == 255).all(), "unlabelled"
    assert (data[0].target[:, 77:102] == 255).all(), "caravan, which is not evaluated"
    assert [category.name for category in data.categories][::9] == ["road", "terrain", "bicycle"]
    assert [data[0].name, data[1].name] == [
        "frankfurt_000000_000294_leftImg8bit",
        "lindau_000000_000001_leftImg8bit",
    ]


def test_files_that_macos_leaves_are_no_images(load):
    data = load("cityscapes")
    for image, labels in data.paths:
        for path in (image, labels):
            path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7")
    again = datasets.DATASETS.get("cityscapes").open(data.root, "semantic-segmentation", "val")
    assert again.paths == data.paths


def test_pascal_context_draws_segments_over_a_background_that_counts(load):
    data = load("pascal-context")
    assert len(data.categories) == 60
    assert [data[0].name, data[1].name] == ["2008_000002", "2008_000009"]
    row = data[0].target[0]
    # aeroplane in columns 20 to 59, wood over it in 27 to 53
    assert (row == torch.tensor([0] * 20 + [1] * 7 + [59] * 27 + [1] * 6 + [0] * 20)).all()


def test_coco_has_boxes_masks_and_crowds_of_things(load):
    data = load("coco", "instance-segmentation")
    sample = data[0]
    assert sample.image_id == 139
    assert sample.target.labels.tolist() == [0, 79, 0]
    assert sample.target.boxes.tolist() == [[5, 10, 20, 40], [25, 10, 40, 40], [45, 10, 60, 40]]
    assert sample.target.crowd.tolist() == [False, False, True]
    for mask, (left, top, right, bottom) in zip(sample.target.masks, sample.target.boxes.int().tolist(), strict=True):
        assert mask.sum() == mask[top:bottom, left:right].sum() == 15 * 30
    assert data[2].target.labels.tolist() == [], "images without objects count too"


def test_coco_labels_are_contiguous_things_then_stuff(load):
    categories = load("coco").categories
    assert [category.isthing for category in categories] == [True] * 80 + [False] * 53
    assert [categories[label].id for label in (0, 11, 79, 80, 132)] == [1, 13, 90, 92, 200]


def test_coco_panoptic_comes_out_of_the_inner_archive(load):
    target = load("coco", "panoptic-segmentation")[0].target
    found = {(segment.label, segment.area, segment.crowd) for segment in target.segments}
    assert found == {(132, 50 * 70 - 3 * 450, False), (0, 450, False), (79, 450, False), (0, 450, True)}
    assert target.ids[20, 10] == 70005


def test_nyu_takes_the_measured_depth_inside_eigens_crop(load):
    data = load("nyuv2")
    assert [data[0].name, data[1].name] == ["rgb_00000", "rgb_00002"], "image 2 is for training"
    depth = data[0].target
    assert depth.shape == (480, 640)
    # Stripes of 0, 2.0005 and 11.0005 m, of which millimetres are cut off.
    assert torch.equal(depth[100, 200:203], torch.zeros(3))
    assert present(depth) == [0, 2, 11]
    evaluated = torch.zeros(480, 640, dtype=torch.bool)
    evaluated[45:471, 41:601] = True
    assert (depth[~evaluated] == 0).all()
    assert (depth[45:471, 214:601] > 0).all()
    assert datasets.DATASETS.get("nyuv2").settings("depth-estimation") == {"max_depth": 10.0}


def test_nyu_images_have_a_black_border(load):
    image = load("nyuv2")[1].image
    assert image[:, :4].max() < 30
    assert image[:, :, 636:].max() < 30
    original = torch.from_numpy(miniatures.picture(480, 640, 2).transpose(2, 0, 1))
    error = (image[:, 9:472, 9:630].float() - original[:, 9:472, 9:630].float()).abs()
    assert error.mean() < 3, "upright, in the right colours"


def test_kitti_crops_images_as_its_benchmark_and_depth_as_garg(load):
    data = load("kitti")
    assert [data[index].name for index in range(3)] == [
        "2011_09_26_drive_0002_sync_0000000069",
        "2011_09_26_drive_0009_sync_0000000001",
        "2011_09_26_drive_0009_sync_0000000069",
    ], "the frame without depth is left out"
    full = torch.from_numpy(miniatures.picture(375, 1242, 0).transpose(2, 0, 1))
    assert torch.equal(data[0].image, full[:, 23:, 13:1229])

    # Rows int(0.40810811 * 375) = 153 to 371 and columns int(0.03594771 * 1242) = 44 to 1197 of the whole image.
    depth = data[0].target
    assert depth.shape == (352, 1216)
    rows, columns = slice(153 - 23, 371 - 23), slice(44 - 13, 1197 - 13)
    stripes = torch.from_numpy(miniatures.halves(375, 1242, 0, 5, 79.5, 81, dtype=np.float32).copy())
    assert torch.equal(depth[rows, columns], stripes[153:371, 44:1197])
    assert depth.count_nonzero() == depth[rows, columns].count_nonzero()
    assert datasets.DATASETS.get("kitti").settings("depth-estimation") == {"max_depth": 80.0, "units": 256.0}


@pytest.mark.parametrize("name", miniatures.COUNTS)
def test_what_is_fetched_is_what_is_listed(name, load, published, monkeypatch):
    fetched = []
    monkeypatch.setattr(downloads, "fetch", lambda artifact, root: fetched.append(artifact) or published[artifact])
    load(name)
    assert sorted(fetched) == sorted(datasets.DATASETS.get(name).artifacts)


@pytest.mark.parametrize("name", datasets.DATASETS.names())
def test_what_is_listed_is_in_the_catalogue(name):
    assert set(datasets.DATASETS.get(name).artifacts) <= set(downloads.names())


def test_kitti_wants_all_drives():
    assert len([name for name in datasets.DATASETS.get("kitti").artifacts if "-drive-" in name]) == 28


def test_data_sets_come_from_a_server(archives, server, tmp_path, monkeypatch):
    """The whole way, for one of a zip in a zip, and one of a file beside a tar."""
    monkeypatch.setattr(downloads.catalogue, "_load", downloads.catalogue._load.__wrapped__)
    (tmp_path / "catalogue.yaml").write_text(miniatures.catalogue(archives, server.url))
    monkeypatch.setenv("HOURGLASS_ARTIFACTS", str(tmp_path / "catalogue.yaml"))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("HOURGLASS_DATA", raising=False)
    server.files = {f"/{path.name}": path.read_bytes() for path in archives.values()}
    for name in ("coco", "pascal-context"):
        monkeypatch.setattr(datasets.DATASETS.get(name), "images", miniatures.COUNTS[name])
        assert datasets.prepare(name, root=tmp_path / "data") == tmp_path / "data" / name
        asked = [file.name for file in (tmp_path / "data" / "downloads").iterdir() if not file.name.startswith(".")]
        assert {downloads.get(artifact).file for artifact in datasets.DATASETS.get(name).artifacts} <= set(asked)
        assert (
            len(datasets.open_split(name, datasets.DATASETS.get(name).tasks[0], root=tmp_path / "data"))
            == miniatures.COUNTS[name]
        )


@pytest.mark.parametrize(
    ("name", "lost", "expected"),
    [
        ("ade20k", "ADEChallengeData2016/annotations/validation/ADE_val_00000002.png", "missing, but"),
        ("ade20k", "ADEChallengeData2016/images/validation/ADE_val_00000002.jpg", "1 image for .* but 'ade20k' has 2"),
        ("ade20k", "annotations_instance/validation/ADE_val_00000001.png", "missing, but"),
        ("cityscapes", "gtFine/val/lindau/lindau_000000_000001_gtFine_labelIds.png", "missing, but"),
        ("pascal-context", f"{pascal_context.LIST}/val.txt", "no such file"),
        ("coco", "annotations/panoptic_val2017/000000000285.png", "no such file"),
        ("coco", "val2017/000000000285.jpg", "no such file"),
        ("nyuv2", "test/bathroom/sync_depth_00000.png", "missing, but"),
        ("kitti", kitti.LIST, "no such file"),
        ("kitti", "val/2011_09_26_drive_0002_sync/proj_depth/groundtruth/image_02/0000000069.png", "missing, but"),
    ],
)
def test_an_incomplete_copy_is_refused(name, lost, expected, load, tmp_path, monkeypatch):
    load(name)
    copy = tmp_path / "data" / name
    (copy / lost).unlink()
    monkeypatch.setenv("HOURGLASS_DATA", str(tmp_path / "data"))
    with pytest.raises(UserError, match=expected) as caught:
        datasets.prepare(name, root=tmp_path / "other")
    assert "\n" not in str(caught.value)


def test_a_count_that_differs_is_refused(load, monkeypatch):
    monkeypatch.setattr(kitti.SOURCE, "images", 652)
    with pytest.raises(UserError, match="3 images for depth-estimation, but 'kitti' has 652"):
        load("kitti")


def test_an_interrupted_preparation_goes_on(load, published, tmp_path):
    """The second archive does not arrive; what the first brought stays."""
    held = published.pop("cityscapes-gtfine")
    with pytest.raises(KeyError):
        load("cityscapes")
    assert not (tmp_path / "data" / "cityscapes" / "ready.json").exists()
    published["cityscapes-gtfine"] = held
    assert len(load("cityscapes")) == 2


def test_rasters_of_the_wrong_kind_are_named(load, tmp_path):
    depth, labels = load("kitti"), load("ade20k")
    write_pixels(depth.paths[0][1], np.ones((375, 1242), np.uint8))
    with pytest.raises(UserError, match="has 1 channels of 8 bits where one of 16 is expected"):
        depth[0]
    write_pixels(labels.paths[0][1], np.ones((48, 72, 3), np.uint8))
    with pytest.raises(UserError, match="has 3 channels of 8 bits where one of 8 is expected"):
        labels[0]


def test_small_kitti_images_are_named(load):
    data = load("kitti")
    Image.new("RGB", (1216, 351)).save(data.paths[0][0])
    with pytest.raises(UserError, match="is 1216 x 351 pixels, smaller than the 1216 x 352 that are used"):
        data[0]


@pytest.mark.parametrize("line", ["a.png b.png\n", "\xff b\n", "../../a.png b.png 721.5\n", "/etc/a.png b.png 721.5\n"])
def test_lists_that_are_none_are_refused(tmp_path, line):
    (tmp_path / kitti.LIST).write_text(line, encoding="latin-1")
    with pytest.raises(UserError, match="lines must have an image, a depth map and a focal length"):
        kitti.read_list(tmp_path)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda content: content.pop("annos_segmentation"), "field 'annos_segmentation' is missing"),
        (lambda content: content["annos_segmentation"][0].update(category_id=3), "field 3 is missing or unknown"),
        (lambda content: content["annos_segmentation"][0].update(segmentation=None), "segmentation: expected polygons"),
        (lambda content: content["annos_segmentation"][0]["segmentation"].update(size=[9, 9]), "not the merged"),
        (lambda content: content["images"][0].update(height=float("inf")), "cannot convert float infinity"),
    ],
)
def test_broken_merged_annotations_are_one_line(change, expected, archives, tmp_path):
    content = json.loads(archives["pascal-context-trainval-merged"].read_text())
    change(content)
    path = tmp_path / "trainval_merged.json"
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=expected) as caught:
        pascal_context.draw(path, tmp_path, "val")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / pascal_context.LIST).exists()


def test_a_broken_nyu_file_is_one_line(archives, tmp_path):
    broken = tmp_path / "nyu_depth_v2_labeled.mat"
    broken.write_bytes(archives["nyu-depth-v2-labeled"].read_bytes()[:5000])
    with pytest.raises(UserError, match="cannot be read") as caught:
        nyuv2.extract(broken, archives["nyu-depth-v2-splits"], tmp_path, "test")
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="cannot be read"):
        nyuv2.extract(archives["nyu-depth-v2-labeled"], broken, tmp_path, "test")


def test_a_scene_cannot_lead_out_of_the_folder(archives, tmp_path):
    import h5py

    copy = shutil.copy(archives["nyu-depth-v2-labeled"], tmp_path)
    with h5py.File(copy, "r+") as file:
        text = np.frombuffer("../../out".encode("utf-16-le"), np.uint16)[:, None]
        file["sceneTypes"][0, 0] = file.create_dataset("#refs#/bad", data=text).ref
    with pytest.raises(UserError, match=r"scene type '\.\./\.\./out'"):
        nyuv2.extract(copy, archives["nyu-depth-v2-splits"], tmp_path / "in", "test")
    assert not list(tmp_path.rglob("*.png"))


@pytest.mark.parametrize(
    "kind", ["link", "external link", "raw data", "virtual", "shape", "scene", "negative", "beyond 16 bits", "nan"]
)
def test_nyu_files_hold_their_own_pixels(archives, tmp_path, kind):
    """HDF5 can show any file of the disk as an image."""
    import h5py

    secret = tmp_path / "secret"
    secret.write_bytes(b"secret" * 10**6)
    copy = shutil.copy(archives["nyu-depth-v2-labeled"], tmp_path)
    with h5py.File(copy, "r+") as file:
        shape = file["images"].shape
        if kind in ("negative", "beyond 16 bits", "nan"):
            file["rawDepths"][0, 0, 0] = {"negative": -1, "beyond 16 bits": 66, "nan": float("nan")}[kind]
        elif kind == "scene":
            file["sceneTypes"][0, 0] = file["#refs#"].ref
        elif kind == "link":
            file.move("images", "other")
            file["images"] = h5py.SoftLink("/other")
        else:
            del file["images"]
        if kind == "external link":
            file["images"] = h5py.ExternalLink(str(secret), "/images")
        elif kind == "raw data":
            file.create_dataset("images", shape, np.uint8, external=[(str(secret), 0, h5py.h5f.UNLIMITED)])
        elif kind == "virtual":
            layout = h5py.VirtualLayout(shape, np.uint8)
            layout[:] = h5py.VirtualSource(str(secret), "images", shape)
            file.create_virtual_dataset("images", layout)
        elif kind == "shape":
            file["images"] = np.zeros((3, 3, 48, 64), np.uint8)
    with pytest.raises(UserError, match=r"cannot be read \(") as caught:
        nyuv2.extract(copy, archives["nyu-depth-v2-splits"], tmp_path / "in", "test")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("*.jpg"))


def test_nyu_says_what_it_needs(archives, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(UserError, match="needs h5py; run `pip install h5py`"):
        nyuv2.extract(archives["nyu-depth-v2-labeled"], archives["nyu-depth-v2-splits"], tmp_path, "test")


def test_a_damaged_inner_archive_is_an_error(load, published, tmp_path):
    broken = tmp_path / "panoptic.zip"
    with zipfile.ZipFile(published["coco-2017-panoptic"]) as whole, zipfile.ZipFile(broken, "w") as written:
        written.writestr("annotations/panoptic_val2017.json", whole.read("annotations/panoptic_val2017.json"))
        written.writestr("annotations/panoptic_val2017.zip", b"no archive")
    published["coco-2017-panoptic"] = broken
    with pytest.raises(UserError, match=r"panoptic_val2017\.zip"):
        load("coco")
