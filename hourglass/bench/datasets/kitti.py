"""KITTI: streets with the depth a laser scanner measured; the test images that Eigen et al. evaluate on.

Geiger et al., *Vision meets Robotics: The KITTI Dataset*, IJRR 2013; Uhrig et al., *Sparsity Invariant CNNs*, 3DV 2017,
of whom the depth maps are, which 652 of Eigen's 697 images have; Garg et al., *Unsupervised CNN for Single View Depth
Estimation*, ECCV 2016, of whom the evaluated crop is. Protocol as of BTS and DPT.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from hourglass.bench import downloads
from hourglass.bench.datasets.archive_source import ArchiveSource, fetch
from hourglass.bench.datasets.base import Dataset
from hourglass.bench.datasets.folders import RasterDataset
from hourglass.bench.datasets.rasters import KITTI_UNITS, read_depth, read_image
from hourglass.registry import UserError

if TYPE_CHECKING:
    from torch import Tensor

LIST = "eigen_test_files_with_gt.txt"
"""A line for every image: its path, that of its depth map or ``None``, and the focal length."""

DEPTH_FOLDERS = "train", "val"
"""Where depth maps lie; Eigen's test images are spread over both."""

CROP = 352, 1216
"""Height and width of the part of an image, below and in the middle, that is used."""


class _Kitti(ArchiveSource):
    """The `Source` of KITTI."""

    name = "kitti"
    categories = ()
    version = "eigen"
    tasks = ("depth-estimation",)
    splits = ("test",)
    evaluation_split = "test"
    images = 652

    @property
    def artifacts(self) -> tuple[str, ...]:
        return tuple(name for name in downloads.names() if name.startswith("kitti-eigen-"))

    def settings(self, task: str) -> Mapping[str, Any]:
        return {"max_depth": 80.0, "units": KITTI_UNITS}

    def fill(self, folder: Path, split: str) -> None:
        """Depth maps of whole drives, but only the images that are listed."""
        (folder / LIST).write_bytes(fetch("kitti-eigen-test-files", folder).read_bytes())
        images = defaultdict(list)
        for image, _ in read_list(folder):
            images[PurePosixPath(image).parts[1]].append(image)
        for drive, members in images.items():
            artifact = f"kitti-eigen-{drive.removesuffix('_sync').replace('_', '-')}"
            downloads.unpack(fetch(artifact, folder), folder, only=members)
        depth = fetch("kitti-eigen-depth-annotated", folder)
        downloads.unpack(depth, folder, only=[f"*/{drive}/*/image_02/*" for drive in images])

    def open(self, folder: Path, task: str, split: str) -> Dataset:
        paths = [
            (folder / image, next((path for path in places if path.is_file()), places[0]))
            for image, depth in read_list(folder)
            for places in [[folder / part / depth for part in DEPTH_FOLDERS]]
        ]
        return RasterDataset(
            self.name, split, (), folder, paths, read_garg, lambda path, size: crop(read_image(path), path), _name
        )


def read_list(folder: Path) -> list[tuple[str, str]]:
    """Paths of each image that has a depth map, and of that, as `LIST` has them.

    Raises:
        UserError: The list is missing or is another.
    """
    try:
        lines = [line.split() for line in (folder / LIST).read_text(encoding="utf-8", errors="replace").splitlines()]
    except FileNotFoundError:
        raise UserError(f"{folder / LIST}: no such file; prepare the data set again") from None
    if any(len(line) != 3 or ".." in path or path.startswith("/") for line in lines for path in line[:2]):
        raise UserError(f"{folder / LIST}: lines must have an image, a depth map and a focal length; restore the file")
    return [(image, depth) for image, depth, _ in lines if depth != "None"]


def crop(raster: Tensor, path: Path) -> Tensor:
    """The part (..., 352, 1216) of an image or depth map that is used.

    Raises:
        UserError: The raster, which was read from ``path``, is smaller.
    """
    height, width = raster.shape[-2:]
    if height < CROP[0] or width < CROP[1]:
        raise UserError(f"{path}: is {width} x {height} pixels, smaller than the {CROP[1]} x {CROP[0]} that are used")
    left = (width - CROP[1]) // 2
    return raster[..., height - CROP[0] :, left : left + CROP[1]]


def read_garg(path: Path) -> Tensor:
    """(352, 1216) float32 metres, 0 where unknown and outside of Garg's crop.

    Raises:
        UserError: As `read_depth` and `crop`.
    """
    depth = read_depth(path, scale=KITTI_UNITS)
    height, width = depth.shape
    evaluated = (
        slice(int(0.40810811 * height), int(0.99189189 * height)),
        slice(int(0.03594771 * width), int(0.96405229 * width)),
    )
    known = depth.new_zeros(depth.shape)
    known[evaluated] = depth[evaluated]
    return crop(known, path)


def _name(image: Path) -> str:
    """Frames of all drives have the same numbers, so the drive is part of the name."""
    return f"{image.parents[2].name}_{image.stem}"


SOURCE = _Kitti()
