"""COCO's JSON files: read with errors that name the field, written byte for byte the same for the same content."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path, PurePosixPath
from typing import Any

from hourglass.bench.datasets import classes
from hourglass.bench.datasets.base import Category
from hourglass.bench.datasets.coco import masks
from hourglass.bench.storage.files import write_text
from hourglass.registry import UserError


@dataclass(frozen=True)
class ImageInfo:
    """One entry of ``images``."""

    id: int
    file_name: str
    height: int
    width: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.height, self.width

    @property
    def name(self) -> str:
        """Path of the image's file without its ending."""
        return PurePosixPath(self.file_name).with_suffix("").as_posix()


@dataclass(frozen=True)
class AnnotationFile:
    """An instances or panoptic JSON file."""

    images: tuple[ImageInfo, ...]
    """By increasing id."""
    annotations: Mapping[int, tuple[Mapping[str, Any], ...]]
    """By image id, in the order of the file."""


def read(path: Path) -> AnnotationFile:
    """Read an instances or panoptic JSON file.

    Ids may be numbers or texts of digits; an ``area`` that is missing is that of the mask, or else of the box.

    Raises:
        UserError: The file is missing, is no JSON, lacks a field, or says what cannot be: an image twice, a path out of
            the folder, a box that is no number or beyond its image, a mask of another size.
    """
    content = _load(path)
    where = "the file"
    try:
        images: dict[int, ImageInfo] = {}
        names: set[str] = set()
        for number, entry in enumerate(content["images"]):
            where = f"images.{number}"
            info = ImageInfo(
                _whole(entry["id"]), str(entry["file_name"]), _whole(entry["height"]), _whole(entry["width"])
            )
            if info.id in images or info.file_name in names:
                raise ValueError("is listed twice")
            if info.height < 1 or info.width < 1:
                raise ValueError(f"is {info.width} x {info.height} pixels")
            _require_inside(info.file_name)
            images[info.id] = info
            names.add(info.file_name)
        annotations: dict[int, list[Mapping[str, Any]]] = {image: [] for image in sorted(images)}
        seen: set[int] = set()
        for number, entry in enumerate(content["annotations"]):
            where = f"annotations.{number}"
            image = images.get(_whole(entry["image_id"]))
            if image is None:
                raise ValueError(f"is of the image {entry['image_id']}, which is not listed")
            annotation = _segments(entry) if "segments_info" in entry else _instance(entry, image)
            if annotation.get("id") in seen:
                raise ValueError(f"has the id {annotation['id']}, as another one has")
            seen.update([annotation["id"]] if "id" in annotation else [])
            annotations[image.id].append(annotation)
    except KeyError as error:
        raise UserError(f"{path}: {where}: field {error} is missing; the file is not in COCO's format") from error
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UserError(f"{path}: {where}: {' '.join(str(error).split())}; the file is not in COCO's format") from error
    return AnnotationFile(
        tuple(images[image] for image in annotations), {image: tuple(listed) for image, listed in annotations.items()}
    )


def _instance(entry: Mapping[str, Any], image: ImageInfo) -> dict[str, Any]:
    left, top, width, height = (float(number) for number in entry["bbox"])
    if not all(map(isfinite, (left, top, width, height))) or width < 0 or height < 0:
        raise ValueError(f"its bbox is {entry['bbox']}")
    if left > image.width or top > image.height or left + width < 0 or top + height < 0:
        raise ValueError(f"its bbox {entry['bbox']} is beyond an image of {image.width} x {image.height} pixels")
    annotation = {
        **entry,
        "bbox": [left, top, width, height],
        "image_id": image.id,
        "category_id": _whole(entry["category_id"]),
        "iscrowd": _whole(entry.get("iscrowd", 0)),
    }
    if "id" in entry:
        annotation["id"] = _whole(entry["id"])
    mask = entry.get("segmentation")
    if mask:
        masks.require(mask, image.size)
    if "area" not in entry:
        annotation["area"] = masks.area(mask, image.size) if mask else width * height
    if not isfinite(float(annotation["area"])) or annotation["area"] < 0:
        raise ValueError(f"its area is {annotation['area']}")
    return annotation


def _segments(entry: Mapping[str, Any]) -> dict[str, Any]:
    _require_inside(str(entry["file_name"]))
    segments = [
        {**info, "id": _whole(info["id"]), "category_id": _whole(info["category_id"])}
        for info in entry["segments_info"]
    ]
    if len({info["id"] for info in segments}) < len(segments):
        raise ValueError("lists a segment twice")
    return {**entry, "segments_info": segments}


def _whole(value: Any) -> int:
    """A whole number, or a text of one."""
    if isinstance(value, bool) or int(value) != float(value):
        raise ValueError(f"{value!r} is no whole number")
    return int(value)


def _require_inside(name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.name or not name.isprintable() or "\\" in name:
        raise ValueError(f"file_name: {name!r} leads out of the folder")


def read_categories(path: Path) -> tuple[Category, ...]:
    """The categories that an instances or panoptic JSON file lists; without ``isthing``, they are things.

    Raises:
        UserError: The file is missing, is no JSON, lacks a field or lists an id twice.
    """
    content = _load(path)
    try:
        listed = [(_whole(entry["id"]), str(entry["name"]), entry.get("isthing", 1)) for entry in content["categories"]]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UserError(f"{path}: categories: {error} is missing or of another kind; not in COCO's format") from error
    if len({number for number, _, _ in listed}) < len(listed):
        raise UserError(f"{path}: categories: two of them have the same id; give each its own")
    things = [number for number, _, isthing in listed if isthing]
    return classes.categories([(number, name) for number, name, _ in listed], things=things)


def write(
    path: Path,
    images: Sequence[ImageInfo],
    categories: Sequence[Category],
    annotations: Sequence[Mapping[str, Any]],
) -> None:
    """Write an instances or panoptic JSON file, atomically; folders are made.

    Args:
        path: Where to.
        images: All images, those without annotations too.
        categories: Those the annotations may use.
        annotations: Of `masks.annotate` or `panoptic.annotate`.
    """
    write_json(
        path,
        {
            "images": [vars(image) for image in images],
            "categories": [
                {"id": c.id, "name": c.name, "isthing": int(c.isthing), "color": list(c.color)} for c in categories
            ],
            "annotations": list(annotations),
        },
    )


def write_json(path: Path, content: Any) -> None:
    """Write JSON on one line, atomically; folders are made."""
    write_text(path, json.dumps(content, separators=(",", ":"), allow_nan=False) + "\n")


def label_of(categories: Sequence[Category]) -> dict[int, int]:
    """Labels by category id."""
    return {category.id: label for label, category in enumerate(categories)}


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; prepare the data set again") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON ({error}); prepare the data set again") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
