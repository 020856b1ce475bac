"""ADE20K: scenes of all kinds, in the version of the scene parsing challenge with 150 classes.

Zhou et al., *Scene Parsing through ADE20K Dataset*, CVPR 2017: 2000 validation images.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hourglass.bench.datasets.archive_source import Archive, ArchiveSource
from hourglass.bench.datasets.base import IGNORED, Dataset, Panoptic, Segment
from hourglass.bench.datasets.classes import categories
from hourglass.bench.datasets.folders import RasterDataset
from hourglass.bench.datasets.rasters import read_pixels, read_semantic
from hourglass.registry import UserError

if TYPE_CHECKING:
    from torch import Tensor

NAMES = """\
wall, building, sky, floor, tree, ceiling, road, bed, windowpane, grass, cabinet, sidewalk, person, earth, door, table,
mountain, plant, curtain, chair, car, water, painting, sofa, shelf, house, sea, mirror, rug, field, armchair, seat,
fence, desk, rock, wardrobe, lamp, bathtub, railing, cushion, base, box, column, signboard, chest of drawers, counter,
sand, sink, skyscraper, fireplace, refrigerator, grandstand, path, stairs, runway, case, pool table, pillow,
screen door, stairway, river, bridge, bookcase, blind, coffee table, toilet, flower, book, hill, bench, countertop,
stove, palm, kitchen island, computer, swivel chair, boat, bar, arcade machine, hovel, bus, towel, light, truck, tower,
chandelier, awning, streetlight, booth, television receiver, airplane, dirt track, apparel, pole, land, bannister,
escalator, ottoman, bottle, buffet, poster, stage, van, ship, fountain, conveyer belt, canopy, washer, plaything,
swimming pool, stool, barrel, basket, waterfall, tent, bag, minibike, cradle, oven, ball, food, step, tank, trade name,
microwave, pot, animal, bicycle, lake, dishwasher, screen, blanket, sculpture, hood, sconce, vase, traffic light, tray,
ashcan, fan, pier, crt screen, plate, monitor, bulletin board, shower, radiator, glass, clock, flag"""

THINGS = (
    *(8, 9, 11, 13, 15, 16, 19, 20, 21, 23, 24, 25, 28, 31, 32, 33, 34, 36, 37, 38, 39, 40, 42, 43, 44, 45, 46, 48),
    *(50, 51, 54, 56, 57, 58, 59, 63, 65, 66, 67, 68, 70, 71, 72, 73, 74, 75, 76, 77, 79, 81, 82, 83, 84, 86, 87, 88),
    *(89, 90, 91, 93, 94, 96, 98, 99, 103, 104, 105, 108, 109, 111, 112, 113, 116, 117, 119, 120, 121, 122, 124, 125),
    *(126, 127, 128, 130, 131, 133, 134, 135, 136, 137, 138, 139, 140, 143, 144, 145, 147, 148, 149, 150),
)
"""Numbers of the 100 classes whose instances are annotated, in the order of the instance annotations."""

CATEGORIES = categories(enumerate(NAMES.replace("\n", " ").split(", "), start=1), things=THINGS)
"""In the order of the archive's ``objectInfo150.txt``; label PNGs have 1 to 150, and 0 for what is none of them."""

read_labels = partial(read_semantic, values=[category.id for category in CATEGORIES])


class _Ade20k(ArchiveSource):
    """The `Source` of ADE20K."""

    name = "ade20k"
    categories = CATEGORIES
    version = "2016"
    tasks = ("semantic-segmentation", "panoptic-segmentation")
    splits = ("validation",)
    evaluation_split = "validation"
    archives = (
        Archive("ade20k-sceneparsing", ("*/images/validation/*", "*/annotations/validation/*")),
        Archive("ade20k-instances", ("*annotations_instance/validation/*",)),
    )
    images = 2000

    def open(self, folder: Path, task: str, split: str) -> Dataset:
        images, labels = (f"ADEChallengeData2016/{kind}/{split}" for kind in ("images", "annotations"))
        common = (self.name, split, CATEGORIES, folder)
        if task == "panoptic-segmentation":
            return RasterDataset.matching(*common, read_panoptic, images, labels, f"annotations_instance/{split}")
        return RasterDataset.matching(*common, read_labels, images, labels)


def read_panoptic(semantic: Path, instances: Path) -> Panoptic:
    """Stuff from the semantic labels, with the annotated instances over it.

    Stuff keeps its area from before instances covered it: so it stands in the files of Mask2Former's preparation
    (``prepare_ade20k_pan_seg.py``), from which published figures come.

    Args:
        semantic: Label PNG.
        instances: PNG with the place in `THINGS` (from 1) in red, and the number of the instance in green.

    Raises:
        UserError: A file is missing or damaged, or the two do not belong together.
    """
    import torch

    labels, pixels = read_labels(semantic), read_pixels(instances, "RGB")
    if labels.shape != pixels.shape[:2]:
        raise UserError(f"{instances}: is of another size than {semantic}; restore both")
    ids = torch.zeros(labels.shape, dtype=torch.int64)
    segments: list[Segment] = []

    def paste(mask: Tensor, label: int) -> None:
        segments.append(Segment(len(segments) + 1, label, int(mask.sum())))
        ids[mask] = len(segments)

    for label in labels.unique().tolist():
        if label != IGNORED and not CATEGORIES[label].isthing:
            paste(labels == label, label)
    kinds, numbers = (torch.from_numpy(pixels[..., channel].astype(np.int64)) for channel in (0, 1))
    for number in numbers.unique().tolist():
        if number:
            mask = numbers == number
            kind = int(kinds[mask][0])
            if not 1 <= kind <= len(THINGS) or (kinds[mask] != kind).any():
                raise UserError(f"{instances}: instance {number} has no class, or several; restore the file")
            paste(mask, THINGS[kind - 1] - 1)
    return Panoptic(ids, tuple(segments))


SOURCE = _Ade20k()
