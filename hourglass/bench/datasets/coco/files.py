"""COCO's JSON files: read with errors that name the field, written byte for byte the same for the same content."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hourglass.bench.datasets.base import Category
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


@dataclass(frozen=True)
class AnnotationFile:
    """An instances or panoptic JSON file."""

    images: tuple[ImageInfo, ...]
    """By increasing id."""
    annotations: Mapping[int, tuple[Mapping[str, Any], ...]]
    """By image id, in the order of the file."""


def read(path: Path) -> AnnotationFile:
    """Read an instances or panoptic JSON file.

    Raises:
        UserError: The file is missing, is no JSON or lacks a field.
    """
    content = _load(path)
    try:
        images = tuple(
            ImageInfo(int(entry["id"]), str(entry["file_name"]), int(entry["height"]), int(entry["width"]))
            for entry in sorted(content["images"], key=lambda entry: entry["id"])
        )
        annotations: dict[int, list[Mapping[str, Any]]] = {image.id: [] for image in images}
        for annotation in content["annotations"]:
            annotations[annotation["image_id"]].append(annotation)
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{path}: field {error} is missing or of another kind; the file is not in COCO's format"
        ) from error
    return AnnotationFile(images, {image: tuple(listed) for image, listed in annotations.items()})


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
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid JSON ({error}); prepare the data set again") from error
