"""Pascal VOC's format: one XML file of boxes for each image (Everingham et al., IJCV 2010)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from hourglass.bench.datasets.base import Category, Instances, Sample, fingerprint
from hourglass.bench.datasets.rasters import read_image
from hourglass.registry import UnknownNameError, UserError


@dataclass(frozen=True)
class VocDataset:
    """Object detection from ``JPEGImages`` and ``Annotations``."""

    name: str
    split: str
    categories: tuple[Category, ...]
    root: Path
    stems: Sequence[str]
    """File names of the split without their endings."""

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the images and annotations."""
        return fingerprint((path for stem in self.stems for path in (self._image(stem), self._xml(stem))), self.root)

    def __len__(self) -> int:
        return len(self.stems)

    def __getitem__(self, index: int) -> Sample:
        stem = self.stems[index]
        target = read_boxes(self._xml(stem), index, self.categories)
        return Sample(index, read_image(self._image(stem), target.size), target, stem)

    def _image(self, stem: str) -> Path:
        return self.root / "JPEGImages" / f"{stem}.jpg"

    def _xml(self, stem: str) -> Path:
        return self.root / "Annotations" / f"{stem}.xml"


def read_boxes(path: Path, image_id: int, categories: Sequence[Category]) -> Instances:
    """The objects of one image, as COCO would annotate them.

    VOC counts pixels from 1 and includes the last one. Boxes are cut at the image's border; those without any extent
    in it, which are slips of the mouse, are left out; objects marked ``difficult`` become crowd, which evaluation
    ignores.

    Args:
        path: The XML file.
        image_id: To put into the annotations.
        categories: By whose names objects are labelled.

    Raises:
        UserError: The file is missing or no VOC file, or it names an unknown class.
    """
    import torch

    try:
        root = ElementTree.parse(path).getroot()
        width, height = (int(_text(root, f"size/{side}")) for side in ("width", "height"))
        if width < 1 or height < 1:
            raise ValueError(f"<size> is {width} x {height}")
        objects = [(_text(node, "name"), _corners(node), _flag(node)) for node in root.findall("object")]
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; prepare the data set again") from None
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise UserError(f"{path}: not a VOC annotation ({error}); restore the file") from error

    label_of = {category.name: label for label, category in enumerate(categories)}
    labels: list[int] = []
    annotations: list[dict[str, Any]] = []
    for name, (left, top, right, bottom), difficult in objects:
        if name not in label_of:
            raise UserError(f"{path}: object: {UnknownNameError('class', name, list(label_of))}")
        x, y = max(left - 1, 0), max(top - 1, 0)
        box = [x, y, min(right, width) - x, min(bottom, height) - y]
        if right <= left or bottom <= top or min(box[2:]) <= 0:
            continue
        labels.append(label_of[name])
        annotations.append(
            {
                "id": len(annotations) + 1,
                "image_id": image_id,
                "category_id": categories[labels[-1]].id,
                "bbox": box,
                "area": box[2] * box[3],
                "iscrowd": int(difficult),
            }
        )
    return Instances((height, width), torch.tensor(labels, dtype=torch.int64), tuple(annotations))


def _text(node: ElementTree.Element, path: str) -> str:
    text = node.findtext(path)
    if text is None:
        raise ValueError(f"<{path}> is missing")
    return text.strip()


def _corners(node: ElementTree.Element) -> tuple[float, ...]:
    corners = tuple(float(_text(node, f"bndbox/{corner}")) for corner in ("xmin", "ymin", "xmax", "ymax"))
    if not all(map(isfinite, corners)):
        raise ValueError(f"<bndbox> is {corners}")
    return corners


def _flag(node: ElementTree.Element) -> bool:
    return (node.findtext("difficult") or "0").strip() == "1"
