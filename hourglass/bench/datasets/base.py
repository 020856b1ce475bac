"""What a data set is, and what its samples look like for each task.

A label, everywhere in this project, is an index into the data set's ``categories``. torch is imported where it is used:
whoever reads names alone need not wait for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from hourglass.bench.storage.files import digest
from hourglass.registry import UserError

if TYPE_CHECKING:
    from torch import Tensor

IGNORED = 255
"""Label of pixels that no metric counts."""


@dataclass(frozen=True)
class Category:
    """A class of things or stuff."""

    id: int
    """Its number in the annotation files; the label is its place among the categories."""
    name: str
    isthing: bool
    color: tuple[int, int, int]
    """RGB, 0 to 255, for pictures."""


@dataclass(frozen=True)
class Instances:
    """Target of object detection and instance segmentation: the objects of one image, as COCO annotates them."""

    size: tuple[int, int]
    """Height and width of the image in pixels."""
    labels: Tensor
    """(N,) int64."""
    annotations: tuple[Mapping[str, Any], ...]
    """N COCO annotations, unchanged: ``bbox`` (x, y, width, height), ``area``, ``iscrowd``, maybe ``segmentation``."""

    @property
    def boxes(self) -> Tensor:
        """(N, 4) float32: left, top, right, bottom in pixels."""
        import torch

        boxes = torch.tensor([a["bbox"] for a in self.annotations], dtype=torch.float32).reshape(-1, 4)
        return torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], dim=1)

    @property
    def crowd(self) -> Tensor:
        """(N,) bool: regions of many objects that were not told apart; evaluation ignores them."""
        import torch

        return torch.tensor([bool(a.get("iscrowd", 0)) for a in self.annotations], dtype=torch.bool)

    @cached_property
    def masks(self) -> Tensor:
        """(N, H, W) bool.

        Raises:
            ValueError: The annotations have boxes only.
        """
        import torch

        from hourglass.bench.datasets.coco.masks import decode

        masks = [torch.from_numpy(decode(a.get("segmentation"), self.size)) for a in self.annotations]
        return torch.stack(masks) if masks else torch.zeros(0, *self.size, dtype=torch.bool)


@dataclass(frozen=True)
class Segment:
    """One segment of a panoptic map."""

    id: int
    label: int
    area: int
    """Pixels."""
    crowd: bool = False


@dataclass(frozen=True)
class Panoptic:
    """Target (and prediction) of panoptic segmentation: every pixel belongs to one segment or to none."""

    ids: Tensor
    """(H, W) int64: the id of each pixel's segment, 0 where there is none (void)."""
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Sample:
    """One image with its target."""

    image_id: int
    image: Tensor
    """(3, H, W) uint8 RGB."""
    target: Any
    """By task. Semantic segmentation: (H, W) int64 labels, 255 where ignored. Depth estimation: (H, W) float32 metres,
    0 where unknown. Object detection and instance segmentation: `Instances`. Panoptic segmentation: `Panoptic`."""
    name: str = ""
    """Name of the image's file without its ending; predictions are filed under it."""


class Dataset(Protocol):
    """One split of a data set, seen by one task."""

    @property
    def name(self) -> str:
        """Of the data set."""
        ...

    @property
    def split(self) -> str:
        """Of the data set."""
        ...

    @property
    def categories(self) -> tuple[Category, ...]:
        """By label."""
        ...

    @property
    def fingerprint(self) -> str:
        """SHA-256, hexadecimal, over the images and targets of the split."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


class Source(Protocol):
    """Where a data set comes from and how it is read: what the registry holds."""

    tasks: tuple[str, ...]
    splits: tuple[str, ...]
    evaluation_split: str
    location: Path | None = None
    """Folder that a suite names for it; None if it is made or downloaded, or a copy in ``$HOURGLASS_DATA``."""

    @property
    def categories(self) -> tuple[Category, ...]:
        """By label."""
        ...

    @property
    def version(self) -> str:
        """Changes when the files of the same data set would be others."""
        ...

    @property
    def artifacts(self) -> tuple[str, ...]:
        """Ids of the files it is made of, among those of `hourglass.bench.downloads`."""
        return ()

    def settings(self, task: str) -> Mapping[str, Any]:
        """What a task is told when it is measured on this data set."""
        return {}

    def fill(self, folder: Path, split: str) -> None:
        """Make or download every file of a split below ``folder``, which may hold part of an interrupted attempt."""
        ...

    def verify(self, folder: Path, split: str) -> str:
        """Check a split that lies in ``folder``; its fingerprint.

        Raises:
            UserError: A file is missing or is not what it should be.
        """
        ...

    def open(self, folder: Path, task: str, split: str) -> Dataset:
        """One split for one of `tasks`."""
        ...


def fingerprint(files: Iterable[Path], root: Path) -> str:
    """SHA-256, hexadecimal, over names (relative to ``root``) and contents, whatever the order of the files.

    Raises:
        UserError: A file is missing.
    """
    total = sha256()
    for file in sorted(files):
        try:
            content = digest(file)
        except FileNotFoundError:
            raise UserError(f"{file}: no such file; prepare the data set again") from None
        total.update(f"{file.relative_to(root).as_posix()}\0{content}\n".encode())
    return total.hexdigest()
