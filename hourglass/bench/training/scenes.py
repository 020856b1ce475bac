"""Training scenes: rendered once into memory-mapped arrays, then drawn at random."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor
from torchvision.ops import masks_to_boxes

from hourglass.bench.datasets.scenes import IMAGE_SIZE, VERSION
from hourglass.bench.datasets.scenes.render import Scene, render_scene
from hourglass.bench.storage.cores import available_cores

LAYERS: dict[str, tuple[tuple[int, ...], type[np.generic]]] = {
    "image": ((*IMAGE_SIZE, 3), np.uint8),
    "depth": (IMAGE_SIZE, np.float16),
    "semantic": (IMAGE_SIZE, np.uint8),
    "instance": (IMAGE_SIZE, np.uint8),
}


class TrainingScenes:
    """The first ``count`` scenes of the ``train`` split.

    Args:
        folder: Where the arrays are kept; they are rendered there if they are not.
        count: Number of scenes.
    """

    def __init__(self, folder: Path, count: int) -> None:
        ready = folder / "ready.json"
        wanted = {"version": VERSION, "count": count}
        if not ready.is_file() or json.loads(ready.read_text()) != wanted:
            _render(folder, count)
            ready.write_text(json.dumps(wanted))
        self.count = count
        self.layers: dict[str, NDArray[np.generic]] = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in LAYERS
        }

    def draw(self, rng: np.random.Generator, batch: int, window: tuple[slice, slice] | None = None) -> list[Scene]:
        """``batch`` random scenes, mirrored half of the time, cut to ``window`` (rows, columns) after that."""
        rows, columns = window or (slice(None), slice(None))
        scenes = []
        for index in rng.choice(self.count, batch, replace=False):
            step = int(rng.choice([-1, 1]))
            cut = {name: np.asarray(layer[index])[:, ::step][rows, columns] for name, layer in self.layers.items()}
            scenes.append(Scene(**cut))
        return scenes


def stack(scenes: list[Scene], layer: str) -> Tensor:
    """One layer of a batch: ``image`` (B, 3, H, W) in [0, 1], the others (B, H, W), ``depth`` in metres, else int64."""
    values = torch.from_numpy(np.stack([getattr(scene, layer) for scene in scenes]))
    if layer == "image":
        return values.permute(0, 3, 1, 2).float() / 255
    return values.float() if layer == "depth" else values.long()


def scene_segments(scene: Scene) -> tuple[Tensor, Tensor]:
    """(N, H, W) float masks and (N,) class indices."""
    segments = scene.instance.astype(np.int64) * 256 + scene.semantic
    numbers = np.unique(segments)
    masks = torch.from_numpy(segments[None] == numbers[:, None, None])
    return masks.float(), torch.from_numpy(numbers % 256)


def scene_objects(scene: Scene) -> dict[str, Tensor]:
    """``boxes`` (N, 4) in pixels, ``labels`` (N,) and ``masks`` (N, H, W), float, of the things."""
    masks, classes = scene_segments(scene)
    things = torch.from_numpy(_is_thing(scene))
    boxes = masks_to_boxes(masks[things]) + torch.tensor([0, 0, 1, 1])
    return {"boxes": boxes, "labels": classes[things], "masks": masks[things]}


def _render(folder: Path, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, (count, *shape))
        for name, (shape, dtype) in LAYERS.items()
    }
    with ProcessPoolExecutor(available_cores()) as pool:
        scenes = pool.map(partial(render_scene, "train"), range(count), chunksize=32)
        for index, scene in enumerate(track(scenes, "rendering training scenes", total=count)):
            for name, array in arrays.items():
                array[index] = getattr(scene, name)
    for array in arrays.values():
        array.flush()


def _is_thing(scene: Scene) -> NDArray[np.bool_]:
    return np.unique(scene.instance.astype(np.int64) * 256 + scene.semantic) >= 256
