"""NYU Depth v2: rooms with the depth a Kinect measured; the 654 test images that Eigen et al. evaluate on.

Silberman et al., *Indoor Segmentation and Support Inference from RGBD Images*, ECCV 2012; Eigen et al., *Depth Map
Prediction from a Single Image using a Multi-Scale Deep Network*, NeurIPS 2014. Files and protocol are those of BTS
(github.com/cleinc/bts), which DPT is evaluated with: depth as it was measured, not filled in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from rich.progress import track

from hourglass.bench.datasets.archive_source import ArchiveSource, fetch
from hourglass.bench.datasets.base import Dataset
from hourglass.bench.datasets.folders import RasterDataset
from hourglass.bench.datasets.rasters import MILLIMETRES, read_depth, write_pixels
from hourglass.bench.storage.files import one_line
from hourglass.registry import UserError

if TYPE_CHECKING:
    from torch import Tensor

BORDER = slice(7, 474), slice(7, 632)
"""Rows and columns of an image that show something; the rest is blackened, as it was for training."""

EIGEN_CROP = slice(45, 471), slice(41, 601)
"""Rows and columns whose depth is evaluated."""

QUALITY = 95
"""Of the JPEG files, at which they are bit by bit those that OpenCV writes and BTS reads."""


class _NyuV2(ArchiveSource):
    """The `Source` of NYU Depth v2."""

    name = "nyuv2"
    categories = ()
    version = "labeled"
    tasks = ("depth-estimation",)
    splits = ("test",)
    evaluation_split = "test"
    artifacts = ("nyu-depth-v2-labeled", "nyu-depth-v2-splits")
    images = 654

    def settings(self, task: str) -> Mapping[str, Any]:
        return {"max_depth": 10.0}

    def fill(self, folder: Path, split: str) -> None:
        labeled, splits = (fetch(artifact, folder) for artifact in self.artifacts)
        extract(labeled, splits, folder, split)

    def open(self, folder: Path, task: str, split: str) -> Dataset:
        images = sorted((folder / split).glob("*/rgb_*.jpg"))
        paths = [(image, image.parent / f"sync_depth_{image.stem.removeprefix('rgb_')}.png") for image in images]
        return RasterDataset(self.name, split, (), folder, paths, read_cropped)


def read_cropped(path: Path) -> Tensor:
    """(H, W) float32 metres, 0 where unknown and outside of Eigen's crop.

    Raises:
        UserError: As `read_depth`.
    """
    depth = read_depth(path)
    cropped = depth.new_zeros(depth.shape)
    cropped[EIGEN_CROP] = depth[EIGEN_CROP]
    return cropped


def extract(labeled: Path, splits: Path, folder: Path, split: str) -> None:
    """Write the images of a split and their measured depth to ``folder``.

    Args:
        labeled: ``nyu_depth_v2_labeled.mat``; its arrays have width before height.
        splits: ``splits.mat``: numbers of the images of each split, from 1 on.
        folder: Of the data set; gets ``<split>/<scene>/rgb_<index>.jpg`` and ``sync_depth_<index>.png``.
        split: ``test`` or ``train``.

    Raises:
        UserError: A file is not what it should be, or h5py is missing.
    """
    from scipy.io import loadmat

    try:
        import h5py
    except ImportError:
        raise UserError("nyuv2: reading its MATLAB file needs h5py; run `pip install h5py`") from None

    try:
        numbers = [int(number) for number in loadmat(splits)[f"{split}Ndxs"].ravel()]
        if not numbers or min(numbers) < 1:
            raise ValueError(f"{splits.name} counts images from {min(numbers, default=None)}")
        with h5py.File(labeled) as file:
            for number in track(numbers, f"extracting nyuv2/{split}", transient=True):
                _write(file, number - 1, folder / split)
    except UserError:
        raise
    except Exception as error:  # what is damaged can raise anything
        reason = " ".join(str(error).split())
        raise UserError(f"{labeled}, {splits}: cannot be read ({reason}); get them anew and prepare again") from error


def _array(file: Any, name: str) -> Any:
    """An array within the file itself: HDF5 can also point to any other file, or show its bytes as pixels.

    Raises:
        ValueError: It is elsewhere.
    """
    import h5py

    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"'{name}' is missing or a link to another place")
    array = file[name]
    if not isinstance(array, h5py.Dataset) or array.external or array.is_virtual:
        raise ValueError(f"'{name}' is no array in this file")
    return array


def _write(file: Any, index: int, folder: Path) -> None:
    images, depths, scenes = (_array(file, name) for name in ("images", "rawDepths", "sceneTypes"))
    if images.shape[1:] != (3, 640, 480) or images.dtype != np.uint8 or depths.shape[1:] != (640, 480):
        raise ValueError(f"images are {images.shape} of {images.dtype}, depths {depths.shape}")
    text = file[scenes[0, index]]
    if text.external or text.is_virtual or text.size > 100:
        raise ValueError("a scene type is no text in this file")
    scene = "".join(map(chr, np.ravel(text)))
    if not re.fullmatch(r"\w+", scene):
        raise ValueError(f"scene type '{scene}'")
    image, depth = images[index].transpose(2, 1, 0), depths[index].T * np.float32(MILLIMETRES)
    if not ((depth >= 0) & (depth < 2**16)).all():
        raise ValueError(f"depth {index} has values that 16 bits of millimetres do not hold")
    framed = np.zeros_like(image)
    framed[BORDER] = image[BORDER]
    write_pixels(folder / scene / f"sync_depth_{index:05d}.png", depth.astype(np.uint16))
    with one_line(folder):
        Image.fromarray(framed).save(folder / scene / f"rgb_{index:05d}.jpg", quality=QUALITY)


SOURCE = _NyuV2()
