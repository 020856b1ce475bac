"""Reading a checkpoint, whatever its format, without running any code that it may hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from hourglass.bench.models.checkpoints import arrays
from hourglass.registry import UserError

_ZIP = b"PK\x03\x04"
_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How files of torch before 1.6 begin: its magic number, pickled."""
_PICKLE = b"\x80"
_NESTED = ("state_dict", "model")
"""Where checkpoints that hold more than weights keep them: mmsegmentation's, and Segmenter's and detectron2's."""


def load(path: Path) -> dict[str, Tensor]:
    """The weights in a checkpoint, by key, on the CPU.

    What kind of file it is, is told by its content: safetensors, a zip archive of torch, a pickle of torch before 1.6,
    or a pickle of numpy arrays as detectron2 publishes them. Pickles may name nothing but tensors and arrays.

    Raises:
        UserError: The file is not there, damaged, of another kind, or names something that weights do not need.
    """
    try:
        with path.open("rb") as file:
            head = file.read(16)
        content = _content(path, head)
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    except arrays.ForbiddenError as error:
        raise UserError(f"{path}: {_refused(str(error))}") from None
    except Exception as error:  # a damaged pickle can raise anything
        named = re.search(r"(?:GLOBAL|Unsupported class) ([\w.]+)", str(error))
        reason = _refused(named[1]) if named else f"damaged or incomplete ({_line(error)}); get it anew"
        raise UserError(f"{path}: {reason}") from error
    return _weights(path, content)


def _content(path: Path, head: bytes) -> Any:
    if head.startswith(_ZIP) or head.startswith(_TORCH):
        return torch.load(path, map_location="cpu", weights_only=True)
    if head.startswith(_PICKLE):
        with path.open("rb") as file:
            return arrays.load(file)
    if head[8:9] == b"{":
        return load_file(path)
    raise UserError(f"{path}: not a checkpoint: neither safetensors, nor written by torch, nor a pickle; get it anew")


def _weights(path: Path, content: Any) -> dict[str, Tensor]:
    for key in _NESTED:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content:
        raise UserError(f"{path}: holds no weights by name; choose another file")
    weights = {}
    for key, value in content.items():
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
            value = torch.from_numpy(value.astype(value.dtype.newbyteorder("=")))
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise UserError(f"{path}: holds more than weights: '{key}' is no tensor; choose another file")
        weights[key] = value
    return weights


def _refused(name: str) -> str:
    return f"names '{name}', which weights do not need and which could run code; refused: use a file you can trust"


def _line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
