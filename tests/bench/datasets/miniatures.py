"""The archives of the paper's data sets in miniature: the published folders, names and formats, a few small images.

What the readers must leave out is in them too: other splits, other cameras, images without ground truth. Everything is
drawn from formulae, so the bytes of an image are the same in every build.
"""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from hourglass.bench import datasets
from hourglass.bench.datasets.coco import masks, panoptic

COUNTS = {"ade20k": 2, "cityscapes": 2, "pascal-context": 2, "coco": 3, "nyuv2": 2, "kitti": 3}
"""Images of the evaluation splits."""


def shrink() -> None:
    """Make the data sets expect as many images as there are here; for processes that end, as tests restore nothing."""
    for name, count in COUNTS.items():
        datasets.DATASETS.get(name).images = count


def build(folder: Path) -> dict[str, Path]:
    """All archives, written to ``folder``, by the id of their artifact."""
    makers: tuple[Callable[[Path], dict[str, Path]], ...] = (ade20k, cityscapes, pascal_context, coco, nyuv2, kitti)
    folder.mkdir(parents=True, exist_ok=True)
    return {name: path for make in makers for name, path in make(folder).items()}


def catalogue(archives: Mapping[str, Path], url: str) -> str:
    """A catalogue of them, as YAML, for a server that has their folder at ``url``."""
    entries = {
        name: {
            "file": path.name,
            "urls": [f"{url}/{path.name}"],
            "size": path.stat().st_size,
            "sha256": sha256(path.read_bytes()).hexdigest(),
            "confidence": "high",
            "source": "a miniature",
        }
        for name, path in archives.items()
    }
    return yaml.safe_dump({"artifacts": entries})


def picture(height: int, width: int, seed: int) -> np.ndarray[Any, Any]:
    """(H, W, 3) uint8: slopes of colour, others for every seed."""
    rows, columns = np.mgrid[:height, :width]
    channels = (rows + 16 * seed, columns + 32 * seed, rows + columns + 64 * seed)
    return np.stack([channel % 256 for channel in channels], axis=-1).astype(np.uint8)


def halves(height: int, width: int, *values: int, dtype: Any = np.uint8) -> np.ndarray[Any, Any]:
    """(H, W): vertical stripes of these values, from left to right."""
    return np.broadcast_to(np.array(values, dtype)[np.arange(width) * len(values) // width], (height, width))


def ade20k(folder: Path) -> dict[str, Path]:
    """Nothing, a wall, a person partly before it and another beside them, a flag of which one half is an instance."""
    instances: dict[str, bytes] = {}
    content: dict[str, bytes] = {"ADEChallengeData2016/objectInfo150.txt": b"Idx\tRatio\tTrain\tVal\tStuff\tName\n"}
    for split, short, numbers in (("training", "train", (1,)), ("validation", "val", (1, 2))):
        for number in numbers:
            stem, size = f"{split}/ADE_{short}_{number:08d}", (48, 64 + 8 * number)
            image = picture(*size, number)
            content[f"ADEChallengeData2016/images/{stem}.jpg"] = jpeg(image[..., 0] if number == 2 else image)
            content[f"ADEChallengeData2016/annotations/{stem}.png"] = png(halves(*size, 0, 1, 13, 150))
            kind, instance = halves(*size, 0, 0, 0, 4, 4, 4, 0, 100), halves(*size, 0, 0, 0, 1, 1, 2, 0, 3)
            instances[f"./annotations_instance/{stem}.png"] = png(np.stack([kind, instance, 0 * kind], axis=-1))
    return {
        "ade20k-sceneparsing": write_zip(folder / "ADEChallengeData2016.zip", content),
        "ade20k-instances": write_tar(folder / "annotations_instance.tar", instances),
    }


def cityscapes(folder: Path) -> dict[str, Path]:
    images: dict[str, bytes] = {"README": b"", "license.txt": b""}
    labels = dict(images)
    for split, city, frame in (("train", "aachen", 0), ("val", "frankfurt", 294), ("val", "lindau", 1)):
        stem = f"{split}/{city}/{city}_000000_{frame:06d}"
        ids = halves(64, 128, 0, 7, 8, 29, 33)
        images[f"leftImg8bit/{stem}_leftImg8bit.png"] = png(picture(64, 128, frame % 7))
        labels[f"gtFine/{stem}_gtFine_labelIds.png"] = png(ids)
        labels[f"gtFine/{stem}_gtFine_instanceIds.png"] = png(ids.astype(np.uint16) * 1000)
        labels[f"gtFine/{stem}_gtFine_color.png"] = png(np.stack([ids] * 4, axis=-1))
        labels[f"gtFine/{stem}_gtFine_polygons.json"] = b"{}"
    return {
        "cityscapes-leftimg8bit": write_zip(folder / "leftImg8bit_trainvaltest.zip", images),
        "cityscapes-gtfine": write_zip(folder / "gtFine_trainvaltest.zip", labels),
    }


def pascal_context(folder: Path) -> dict[str, Path]:
    """The second segment covers the first where they overlap, and leaves some background."""
    size, images, segments = (60, 80), [], []
    files: dict[str, bytes] = {"VOCdevkit/VOC2010/ImageSets/Main/val.txt": b""}
    for stem, phase in (("2008_000002", "val"), ("2008_000003", "train"), ("2008_000009", "val")):
        number = int(stem.replace("_", ""))
        files[f"VOCdevkit/VOC2010/JPEGImages/{stem}.jpg"] = jpeg(picture(*size, number % 7))
        files[f"VOCdevkit/VOC2010/Annotations/{stem}.xml"] = b"<annotation/>"
        image = {"image_id": number, "file_name": f"{stem}.jpg", "height": 60, "width": 80, "phase": phase}
        images.append(image | {"date_captured": "31-Dec-2007"})
        for category, stripes in ((2, (0, 1, 1, 0)), (458, (0, 0, 1, 1, 0, 0))):
            segmentation = masks.encode(halves(*size, *stripes))
            segment = {"id": len(segments) + 1, "image_id": number, "category_id": category, "iscrowd": 0}
            segments.append(segment | {"segmentation": segmentation, "area": 1, "bbox": [0, 0, 1, 1], "parts": []})
    merged = {
        "info": {"description": "PASCAL in Detail"},
        "images": images,
        "annos_segmentation": segments,
        "annos_occlusion": [],
        "annos_boundary": [],
        "annos_joints": [],
        "categories": [{"category_id": 2, "name": "aeroplane"}, {"category_id": 458, "name": "wood"}],
        "parts": [],
    }
    path = folder / "trainval_merged.json"
    path.write_text(json.dumps(merged))
    archive = write_tar(folder / "VOCtrainval_03-May-2010.tar", files)
    return {"pascal-context-voctrainval": archive, "pascal-context-trainval-merged": path}


def coco(folder: Path) -> dict[str, Path]:
    """A person and a toothbrush (polygons) and a crowd (run lengths) on a rug; the third image has the rug only."""
    size = height, width = 50, 70
    numbers = (139, 285, 632)
    images = [{"id": n, "file_name": f"{n:012d}.jpg", "height": height, "width": width} for n in numbers]
    instances, panoptics, pngs = [], [], {}
    for number in numbers:
        ids = np.full(size, 4000, np.int64)
        segments = [{"id": 4000, "category_id": 200, "iscrowd": 0}]
        if number != 632:
            for category, left, crowd in ((1, 5, 0), (90, 25, 0), (1, 45, 1)):
                mask = np.zeros(size, bool)
                mask[10:40, left : left + 15] = True
                polygon = [[left, 10, left + 15, 10, left + 15, 40, left, 40]]
                counts = [left * height + 10, *[30, 20] * 14, 30, 10 + (width - left - 15) * height]
                instance = masks.annotate(mask, id=len(instances) + 1, image_id=number, category_id=category)
                segmentation = {"size": list(size), "counts": counts} if crowd else polygon
                instances.append(instance | {"iscrowd": crowd, "segmentation": segmentation})
                segment = 70000 + left
                ids[mask] = segment
                segments.append({"id": segment, "category_id": category, "iscrowd": crowd})
        pngs[f"panoptic_val2017/{number:012d}.png"] = png(panoptic.ids_to_rgb(ids))
        panoptics.append({"image_id": number, "file_name": f"{number:012d}.png", "segments_info": segments})

    def annotations(listed: Any) -> bytes:
        return json.dumps({"info": {}, "licenses": [], "images": images, "annotations": listed}).encode()

    inner = write_zip(folder / "inner.zip", {**pngs, "__MACOSX/panoptic_val2017/._000000000139.png": b""})
    nested = inner.read_bytes()
    inner.unlink()
    return {
        "coco-2017-val2017": write_zip(
            folder / "val2017.zip", {f"val2017/{n:012d}.jpg": jpeg(picture(*size, n % 7)) for n in numbers}
        ),
        "coco-2017-annotations": write_zip(
            folder / "annotations_trainval2017.zip",
            {
                "annotations/instances_val2017.json": annotations(instances),
                "annotations/instances_train2017.json": annotations([]),
                "annotations/captions_val2017.json": annotations([]),
            },
        ),
        "coco-2017-panoptic": write_zip(
            folder / "panoptic_annotations_trainval2017.zip",
            {
                "annotations/panoptic_val2017.json": annotations(panoptics),
                "annotations/panoptic_val2017.zip": nested,
                "annotations/panoptic_train2017.json": annotations([]),
                "__MACOSX/annotations/._panoptic_val2017.zip": b"",
            },
        ),
    }


def nyuv2(folder: Path) -> dict[str, Path]:
    """Three rooms, of which the second is for training: MATLAB 7.3 is HDF5 behind a header of 512 bytes."""
    import h5py
    from scipy.io import savemat

    labeled, splits = folder / "nyu_depth_v2_labeled.mat", folder / "splits.mat"
    with h5py.File(labeled, "w", userblock_size=512) as file:
        images = np.stack([picture(480, 640, seed).transpose(2, 1, 0) for seed in range(3)])
        raw = np.stack([halves(480, 640, 0, 2 + seed, 11, dtype=np.float32).T for seed in range(3)])
        file.create_dataset("images", data=images, compression="gzip")
        file.create_dataset("rawDepths", data=raw + np.float32(0.0005) * (raw > 0), compression="gzip")
        file.create_dataset("depths", data=np.full_like(raw, 3), compression="gzip")
        scenes = file.create_dataset("sceneTypes", (1, 3), h5py.ref_dtype)
        for index, scene in enumerate(("bathroom", "bedroom", "living_room")):
            text = np.frombuffer(scene.encode("utf-16-le"), np.uint16)[:, None]
            scenes[0, index] = file.create_dataset(f"#refs#/{index}", data=text).ref
    savemat(splits, {"trainNdxs": np.array([[2]], np.uint16), "testNdxs": np.array([[1], [3]], np.uint16)})
    return {"nyu-depth-v2-labeled": labeled, "nyu-depth-v2-splits": splits}


def kitti(folder: Path) -> dict[str, Path]:
    """Two drives of two frames, with depth in ``val`` and ``train``; one frame has none."""
    frames = (
        ("2011_09_26_drive_0002", 69, "val", (375, 1242)),
        ("2011_09_26_drive_0002", 75, None, (375, 1242)),
        ("2011_09_26_drive_0009", 1, "train", (370, 1226)),
        ("2011_09_26_drive_0009", 69, "train", (370, 1226)),
    )
    raw: dict[str, dict[str, bytes]] = {}
    depth: dict[str, bytes] = {}
    lines = []
    for index, (drive, frame, part, size) in enumerate(frames):
        archive = raw.setdefault(drive, {f"2011_09_26/{drive}_sync/oxts/dataformat.txt": b""})
        for camera, number in (("02", frame), ("03", frame), ("02", frame + 1)):
            image = f"2011_09_26/{drive}_sync/image_{camera}/data/{number:010d}.png"
            archive[image] = png(picture(*size, index))
        image = f"2011_09_26/{drive}_sync/image_02/data/{frame:010d}.png"
        truth = f"{drive}_sync/proj_depth/groundtruth/image_02/{frame:010d}.png"
        if part:
            depth[f"{part}/{truth}"] = png(halves(*size, 0, 256 * 5, 256 * 79 + 128, 256 * 81, dtype=np.uint16))
        lines.append(f"{image} {truth if part else None} 721.5377\n")
    depth["train/2011_09_26_drive_0001_sync/proj_depth/groundtruth/image_02/0000000005.png"] = b""
    listed = folder / "eigen_test_files_with_gt.txt"
    listed.write_text("".join(lines))
    return {
        "kitti-eigen-test-files": listed,
        "kitti-eigen-depth-annotated": write_zip(folder / "data_depth_annotated.zip", depth),
        **{
            f"kitti-eigen-{drive.replace('_', '-')}": write_zip(folder / f"{drive}_sync.zip", content)
            for drive, content in raw.items()
        },
    }


def write_zip(path: Path, content: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return path


def write_tar(path: Path, content: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def png(pixels: np.ndarray[Any, Any]) -> bytes:
    return _encoded(pixels, "PNG")


def jpeg(pixels: np.ndarray[Any, Any]) -> bytes:
    return _encoded(pixels, "JPEG", quality=95)


def _encoded(pixels: np.ndarray[Any, Any], format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, format, **options)
    return file.getvalue()
