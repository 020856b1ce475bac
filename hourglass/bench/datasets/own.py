"""A folder of the user's own images and labels as a data set: what a suite says of it, and how it is read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from hourglass.bench.datasets.base import IGNORED, Category, Dataset, Source
from hourglass.bench.datasets.classes import categories
from hourglass.bench.storage.documents import Document, invalid
from hourglass.registry import UserError

SPLIT = "all"
Positive = Annotated[float, Field(strict=True, gt=0)]


class FolderDefinition(Document):
    """What a suite says of a folder. Everything but ``folder`` is relative to it.

    Attributes:
        folder: Relative to the suite's file, absolute, or below ``~``.
        images: Folder of the images, PNG or JPEG.
        masks: For semantic segmentation: folder of label maps, PNGs of 8 bits and one channel, named as the images.
        categories: With ``masks``: names of the categories.
        values: With ``masks``: what the label maps hold for each category; 0, 1, ... unless given. 255 is ignored.
        depth: For depth estimation: folder of depth maps, PNGs of 16 bits and one channel, 0 where unknown.
        units_per_metre: With ``depth``: 1000 for millimetres.
        max_depth: With ``depth``: metres; depths beyond are not counted.
        instances: For object detection and instance segmentation: a JSON file in COCO's format.
        panoptic: For panoptic segmentation: a JSON file in COCO's panoptic format, its PNGs in the folder of its name.
    """

    folder: str
    images: str = "images"
    masks: str | None = None
    categories: tuple[str, ...] = ()
    values: tuple[Annotated[int, Field(strict=True, ge=0, le=254)], ...] | None = None
    depth: str | None = None
    units_per_metre: Positive | None = None
    max_depth: Positive | None = None
    instances: str | None = None
    panoptic: str | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> FolderDefinition:
        if not self.tasks:
            raise invalid("has no labels; give 'masks', 'depth', 'instances' or 'panoptic'", at=("folder",))
        if self.masks and (self.instances or self.panoptic):
            raise invalid("has categories of its own; make 'masks' a data set for itself", at=("masks",))
        if bool(self.masks) != bool(self.categories):
            raise invalid("'masks' and 'categories' go together", at=("masks" if self.masks else "categories",))
        if self.values is not None and len(set(self.values)) != len(self.categories):
            raise invalid("must be as many different numbers as there are categories", at=("values",))
        if bool(self.depth) != bool(self.units_per_metre):
            raise invalid(
                "'depth' and 'units_per_metre' go together", at=("depth" if self.depth else "units_per_metre",)
            )
        return self

    @property
    def tasks(self) -> tuple[str, ...]:
        """Those there are labels for."""
        named = {
            "semantic-segmentation": self.masks,
            "depth-estimation": self.depth,
            "object-detection": self.instances,
            "instance-segmentation": self.instances,
            "panoptic-segmentation": self.panoptic,
        }
        return tuple(task for task, labels in named.items() if labels)


class FolderSource(Source):
    """The `Source` of a user's folder, which is read where it is.

    Args:
        name: Of the data set.
        definition: What the suite says.
        beside: Folder of the suite's file.
    """

    splits = (SPLIT,)
    evaluation_split = SPLIT

    def __init__(self, name: str, definition: FolderDefinition, beside: Path) -> None:
        self.name = name
        self.definition = definition
        self.tasks = definition.tasks
        self._folder = (beside / Path(definition.folder).expanduser()).absolute()
        self.location = self._folder

    @cached_property
    def version(self) -> str:
        """Another one when the definition or a file is another, as far as their sizes and times tell."""
        total = sha256(self.definition.model_dump_json().encode())
        for path in sorted(path for path in self._folder.rglob("*") if path.exists()):
            status = path.stat()
            total.update(f"{path.relative_to(self._folder)} {status.st_size} {status.st_mtime_ns}\n".encode())
        return total.hexdigest()[:16]

    @cached_property
    def categories(self) -> tuple[Category, ...]:
        """By label; those of COCO's files are what the file lists."""
        listed = self.definition.panoptic or self.definition.instances
        if listed is None:
            return categories(enumerate(self.definition.categories))
        from hourglass.bench.datasets.coco.files import read_categories

        return read_categories(self._folder / listed)

    def settings(self, task: str) -> Mapping[str, Any]:
        """See `Source`."""
        limit = self.definition.max_depth
        return {"max_depth": limit} if task == "depth-estimation" and limit is not None else {}

    def fill(self, folder: Path, split: str) -> None:
        """See `Source`; nothing is made."""

    def verify(self, folder: Path, split: str) -> str:
        """See `Source`; every image is read, so that what does not fit is found before anything is measured."""
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; bring it back, or name another one in the suite")
        prints = []
        for task in self.tasks:
            data = self.open(folder, task, split)
            for index in range(len(data)):
                data[index]
            prints.append(data.fingerprint)
        self._check_masks(folder)
        return sha256("\n".join(prints).encode()).hexdigest()

    def open(self, folder: Path, task: str, split: str) -> Dataset:
        """See `Source`."""
        from hourglass.bench.datasets import folders
        from hourglass.bench.datasets.rasters import read_depth, read_semantic

        said = self.definition
        common = (self.name, split, self.categories, folder)
        match task:
            case "semantic-segmentation":
                reader = partial(read_semantic, values=self._values)
                return folders.RasterDataset.matching(*common, reader, said.images, str(said.masks))
            case "depth-estimation":
                depth = partial(read_depth, scale=said.units_per_metre or 1.0)
                return folders.RasterDataset.matching(*common, depth, said.images, str(said.depth))
            case "panoptic-segmentation":
                return folders.PanopticDataset(*common, folder / said.images, folder / str(said.panoptic))
            case _:
                return folders.InstancesDataset(*common, folder / said.images, folder / str(said.instances))

    @property
    def _values(self) -> tuple[int, ...]:
        return self.definition.values or tuple(range(len(self.definition.categories)))

    def _check_masks(self, folder: Path) -> None:
        """Make sure that pixels are ignored only where the user says so."""
        import numpy as np

        from hourglass.bench.datasets.rasters import is_image, read_pixels

        known = {*self._values, IGNORED}
        found = sorted((folder / self.definition.masks).glob("*.png")) if self.definition.masks else ()
        for path in filter(is_image, found):
            if unknown := set(np.unique(read_pixels(path)).tolist()) - known:
                raise UserError(
                    f"{path}: holds {min(unknown)}, which is the value of no category; list the values of all "
                    f"categories in 'values', and make pixels that are not to be counted {IGNORED}"
                )
