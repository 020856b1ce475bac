"""Weights: where those of the project lie, in its clone and not in its wheel, and what numbers weights are."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from hourglass.bench.storage.files import digest
from hourglass.registry import UserError

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = "HOURGLASS_WEIGHTS"
"""Environment variable: a folder that is looked into, too."""
IN_PACKAGE = Path(__file__).with_name("weights")


def shipped(name: str) -> Path:
    """Where the weights of a model lie: in the package, in ``$HOURGLASS_WEIGHTS``, or in the clone it came from.

    If they are nowhere, they should be in the package.

    Args:
        name: Of the model.
    """
    given, clone = os.environ.get(FOLDER), _clone()
    folders = [
        IN_PACKAGE,
        *([Path(given).expanduser()] if given else []),
        *([clone / "hourglass" / "bench" / "models" / "weights"] if clone else []),
    ]
    places = [folder / f"{name}.safetensors" for folder in folders]
    return next((path for path in places if path.is_file()), places[0])


@cache
def sha256(*paths: Path) -> str:
    """Of a file of weights, hexadecimal; of several, over those of each."""
    digests = [digest(path) for path in paths]
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def require_numbers(weights: Mapping[str, Tensor], places: Mapping[str, Tensor]) -> None:
    """Make sure that weights are the numbers of a trained model, which loading them would not ask.

    Args:
        weights: By key.
        places: What the model has under these keys, and maybe others.

    Raises:
        UserError: One is of another kind or not finite.
    """
    for key, value in weights.items():
        place = places[key]
        if value.is_floating_point() != place.is_floating_point() or value.is_complex():
            kinds = f"{value.dtype} in place of {place.dtype}".replace("torch.", "")
            raise UserError(f"'{key}' is {kinds}: not the numbers of a trained model; choose another checkpoint")
        if not value.is_meta and not value.to(place.dtype).isfinite().all():
            raise UserError(f"'{key}' holds values that are infinite or no number; choose another checkpoint")


def _clone() -> Path | None:
    """The folder that the package was installed from, as pip writes it down (PEP 610); None if it was none."""
    try:
        origin = json.loads(metadata.distribution("hourglass").read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        return None
    url = urlsplit(origin.get("url", ""))
    return Path(url2pathname(url.path)) if url.scheme == "file" and "dir_info" in origin else None
