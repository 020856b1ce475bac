"""The pictures of a case as rows of a table: everything drawn over its image, beside the baseline's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hourglass.bench.pictures.layers import GRADUAL, decoded, difference, over
from hourglass.bench.tasks import target_name

SHOWN = ("baseline", "prediction", "difference", "clusters")


def rows(galleries: Mapping[str, str], task: str) -> tuple[list[str], list[list[Any]]]:
    """The columns of the table and its rows: a name, pictures (H, W, 3), or None where there is none, and metrics.

    Args:
        galleries: Paths of stored pictures: ``own`` and, if it is there, ``baseline``. What cannot be read is left out.
        task: That the pictures are of.
    """
    own, before = (_entries(galleries.get(name)) for name in ("own", "baseline"))
    metrics = sorted({name for entry in own.values() for name in entry.get("values", {})})
    found = []
    for index, entry in own.items():
        try:
            row = _row(entry, before.get(index), gradual=task in GRADUAL)
        except (KeyError, TypeError, ValueError):
            continue
        found.append([*row, *(entry.get("values", {}).get(name) for name in metrics)])
    return ["image", "input", target_name(task), *SHOWN, *metrics], found


def _row(entry: Mapping[str, Any], before: Mapping[str, Any] | None, *, gradual: bool) -> list[Any]:
    layers = {kind: decoded(text) for kind, text in entry["pictures"].items()}
    image = layers.pop("image")[..., :3]
    row: dict[str, Any] = dict.fromkeys(SHOWN)
    row["prediction"] = _over(image, layers["prediction"])
    if "clusters" in layers:
        row["clusters"] = _over(image, layers["clusters"])
    if before is not None:
        reference = decoded(before["pictures"]["prediction"])
        row["baseline"] = _over(image, reference)
        if reference.shape == layers["prediction"].shape:
            row["difference"] = _over(image, difference(reference, layers["prediction"], gradual=gradual))
    return [str(entry["name"]), image, _over(image, layers["truth"]), *row.values()]


def _over(image: NDArray[np.uint8], layer: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = layer.shape[:2]
    return over(np.asarray(Image.fromarray(image).resize((width, height))), layer)


def _entries(path: str | None) -> dict[int, Mapping[str, Any]]:
    try:
        entries = json.loads(Path(path).read_bytes())["entries"] if path else []
        return {int(entry["index"]): entry for entry in entries}
    except (OSError, KeyError, TypeError, ValueError):
        return {}
