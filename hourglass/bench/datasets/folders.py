"""Data sets as they lie in folders: the readers every data set of a known format shares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hourglass.bench.datasets.base import Category, Instances, Panoptic, Sample, fingerprint
from hourglass.bench.datasets.coco import files, panoptic
from hourglass.bench.datasets.rasters import is_image, read_image
from hourglass.registry import UserError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class RasterDataset:
    """Images with rasters: label maps or depth maps.

    Raises:
        UserError: A raster is missing, or two images have one name.
    """

    name: str
    split: str
    categories: tuple[Category, ...]
    root: Path
    paths: Sequence[tuple[Path, ...]]
    """Of each image, and of its raster or rasters."""
    read_target: Callable[..., Any]
    """From the paths of the rasters."""
    read_image: Callable[[Path, tuple[int, int]], Tensor] = read_image
    """From the path of the image, and height and width of its target."""
    name_of: Callable[[Path], str] = attrgetter("stem")
    """Of an image: the name of its sample, which no other has."""

    @classmethod
    def matching(
        cls,
        name: str,
        split: str,
        categories: tuple[Category, ...],
        root: Path,
        read_target: Callable[..., Any],
        images: str,
        *targets: str,
    ) -> RasterDataset:
        """Every image in ``root/images`` with the PNG of the same stem in ``root/target`` for each of ``targets``.

        Raises:
            UserError: There is no image, or one without its raster.
        """
        found = sorted(path for path in (root / images).glob("*") if is_image(path))
        if not found:
            raise UserError(f"{root / images}: no images; prepare the data set '{name}' again")
        paths = [(image, *(root / target / f"{image.stem}.png" for target in targets)) for image in found]
        return cls(name, split, categories, root, paths, read_target)

    def __post_init__(self) -> None:
        _require_names((image, self.name_of(image)) for image, *_ in self.paths)
        for image, *targets in self.paths:
            for target in targets:
                if not target.is_file():
                    raise UserError(f"{target}: missing, but {image} exists; prepare the data set '{self.name}' again")

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the images and rasters."""
        return fingerprint((path for paths in self.paths for path in paths), self.root)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Sample:
        image, *targets = self.paths[index]
        target = self.read_target(*targets)
        height, width = (target.ids if isinstance(target, Panoptic) else target).shape
        return Sample(index, self.read_image(image, (height, width)), target, self.name_of(image))


@dataclass(frozen=True)
class _CocoDataset:
    """Images listed in a COCO JSON file."""

    name: str
    split: str
    categories: tuple[Category, ...]
    root: Path
    images: Path
    """Folder of the images."""
    annotations: Path
    """The JSON file."""

    @cached_property
    def _file(self) -> files.AnnotationFile:
        file = files.read(self.annotations)
        _require_names((self.images / info.file_name, info.name) for info in file.images)
        return file

    @cached_property
    def _labels(self) -> dict[int, int]:
        return files.label_of(self.categories)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the images and annotations."""
        return fingerprint(
            (*(self.images / info.file_name for info in self._file.images), *self._target_files), self.root
        )

    @property
    def _target_files(self) -> list[Path]:
        return [self.annotations]

    def __len__(self) -> int:
        return len(self._file.images)


@dataclass(frozen=True)
class InstancesDataset(_CocoDataset):
    """Object detection and instance segmentation from an instances JSON file."""

    def __getitem__(self, index: int) -> Sample:
        import torch

        info = self._file.images[index]
        annotations = self._file.annotations[info.id]
        try:
            labels = torch.tensor([self._labels[a["category_id"]] for a in annotations], dtype=torch.int64)
        except KeyError as error:
            raise UserError(f"{self.annotations}: image {info.id} has the unknown category_id {error}") from error
        image = read_image(self.images / info.file_name, info.size)
        return Sample(info.id, image, Instances(info.size, labels, annotations), info.name)


@dataclass(frozen=True)
class PanopticDataset(_CocoDataset):
    """Panoptic segmentation from a panoptic JSON file and the PNGs in the folder of the same name."""

    @property
    def _pngs(self) -> Path:
        return self.annotations.with_suffix("")

    @property
    def _target_files(self) -> list[Path]:
        listed = (annotation["file_name"] for image in self._file.annotations.values() for annotation in image)
        return [self.annotations, *(self._pngs / name for name in listed)]

    def __getitem__(self, index: int) -> Sample:
        info = self._file.images[index]
        annotations = self._file.annotations[info.id]
        if len(annotations) != 1:
            raise UserError(f"{self.annotations}: image {info.id} has {len(annotations)} annotations; one is expected")
        target = panoptic.read(annotations[0], self._pngs, self.categories)
        size = target.ids.shape[0], target.ids.shape[1]
        if size != info.size:
            raise UserError(
                f"{self.annotations}: image {info.id} is {info.size} there, but its map is {size}; restore both"
            )
        return Sample(info.id, read_image(self.images / info.file_name, size), target, info.name)


def _require_names(named: Iterable[tuple[Path, str]]) -> None:
    """Make sure that no two images have one name, under which only one prediction could be filed."""
    seen: dict[str, Path] = {}
    for image, name in named:
        other = seen.setdefault(name, image)
        if other is not image:
            raise UserError(f"{image}: would share the name '{name}' with {other}; rename one of them")
