"""PASCAL-Context: the images of PASCAL VOC 2010 with every pixel labelled, as 59 classes and background.

Mottaghi et al., *The Role of Context for Object Detection and Semantic Segmentation in the Wild*, CVPR 2014. Labels
are those of the merged annotations of *PASCAL in Detail*, from which 5104 validation images come. Background is a class
like the others, as in the figures of Segmenter; metrics without it are other ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from rich.progress import track

from hourglass.bench.datasets.archive_source import Archive, ArchiveSource, fetch
from hourglass.bench.datasets.base import Dataset
from hourglass.bench.datasets.classes import categories
from hourglass.bench.datasets.coco.files import label_of
from hourglass.bench.datasets.coco.masks import decode
from hourglass.bench.datasets.folders import RasterDataset
from hourglass.bench.datasets.rasters import read_semantic, write_pixels
from hourglass.bench.storage.files import write_text
from hourglass.registry import UserError

NAMES = """\
0 background, 2 aeroplane, 9 bag, 18 bed, 19 bedclothes, 22 bench, 23 bicycle, 25 bird, 31 boat, 33 book, 34 bottle,
44 building, 45 bus, 46 cabinet, 59 car, 65 cat, 68 ceiling, 72 chair, 80 cloth, 85 computer, 98 cow, 104 cup,
105 curtain, 113 dog, 115 door, 144 fence, 158 floor, 159 flower, 162 food, 187 grass, 189 ground, 207 horse,
220 keyboard, 232 light, 258 motorbike, 259 mountain, 260 mouse, 284 person, 295 plate, 296 platform, 308 pottedplant,
324 road, 326 rock, 347 sheep, 349 shelves, 354 sidewalk, 355 sign, 360 sky, 366 snow, 368 sofa, 397 table, 415 track,
416 train, 420 tree, 424 truck, 427 tvmonitor, 440 wall, 445 water, 454 window, 458 wood"""

CATEGORIES = categories(
    (int(number), name) for number, name in (entry.split(" ", 1) for entry in NAMES.replace("\n", " ").split(", "))
)
"""By increasing number in the merged annotations; labels are the ranks."""

VOC = Path("VOCdevkit/VOC2010")
LABELS = VOC / "SegmentationClassContext"
LIST = VOC / "ImageSets/SegmentationContext"


class _PascalContext(ArchiveSource):
    """The `Source` of PASCAL-Context; on the disk it is what mmsegmentation's conversion makes of it."""

    name = "pascal-context"
    categories = CATEGORIES
    version = "2010"
    tasks = ("semantic-segmentation",)
    splits = ("val",)
    evaluation_split = "val"
    archives = (Archive("pascal-context-voctrainval", (f"*{VOC}/JPEGImages/*",)),)
    images = 5104

    @property
    def artifacts(self) -> tuple[str, ...]:
        return (*super().artifacts, "pascal-context-trainval-merged")

    def fill(self, folder: Path, split: str) -> None:
        super().fill(folder, split)
        draw(fetch("pascal-context-trainval-merged", folder), folder, split)

    def open(self, folder: Path, task: str, split: str) -> Dataset:
        path = folder / LIST / f"{split}.txt"
        try:
            stems = path.read_text(encoding="utf-8", errors="replace").split()
        except FileNotFoundError:
            raise UserError(f"{path}: no such file; prepare the data set again") from None
        paths = [(folder / VOC / "JPEGImages" / f"{stem}.jpg", folder / LABELS / f"{stem}.png") for stem in stems]
        reader = partial(read_semantic, values=range(len(CATEGORIES)))
        return RasterDataset(self.name, split, CATEGORIES, folder, paths, reader)


def draw(annotations: Path, folder: Path, split: str) -> None:
    """Draw the merged annotations of a split as label PNGs, and list its images.

    Segments are drawn in the order of the file, over each other; what none covers is background.

    Args:
        annotations: ``trainval_merged.json``.
        folder: Of the data set.
        split: ``val`` or ``train``: the phase of the images.

    Raises:
        UserError: The file is not in the format of PASCAL in Detail.
    """
    try:
        with annotations.open(encoding="utf-8") as file:
            content = json.load(file)
        images = [image for image in content["images"] if image["phase"] == split]
        segments: dict[int, list[Mapping[str, Any]]] = {image["image_id"]: [] for image in images}
        for segment in content["annos_segmentation"]:
            segments.get(segment["image_id"], []).append(segment)
        stems = []
        for image in track(images, f"drawing labels of pascal-context/{split}", transient=True):
            stems.append(PurePosixPath(image["file_name"]).stem)
            write_pixels(folder / LABELS / f"{stems[-1]}.png", _labels(image, segments[image["image_id"]]))
    except UserError:
        raise
    except Exception as error:  # what is damaged can raise anything
        reason = f"field {error} is missing or unknown" if isinstance(error, KeyError) else str(error)
        raise UserError(f"{annotations}: not the merged annotations of PASCAL in Detail ({reason})") from error
    write_text(folder / LIST / f"{split}.txt", "".join(f"{stem}\n" for stem in sorted(stems)))


def _labels(image: Mapping[str, Any], segments: list[Mapping[str, Any]]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    known = label_of(CATEGORIES)
    size = int(image["height"]), int(image["width"])
    labels = np.zeros(size, np.uint8)
    for segment in segments:
        labels[decode(segment["segmentation"], size)] = known[segment["category_id"]]
    return labels


SOURCE = _PascalContext()
