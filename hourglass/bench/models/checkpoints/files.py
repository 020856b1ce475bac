"""Reading a checkpoint, whatever its format, without running any code that it may hold."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from hourglass.bench.models.checkpoints import onnx_files, pickles, torch_files
from hourglass.registry import UserError

_ZIP = b"PK\x03\x04"
_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How files of torch before 1.6 begin: its magic number, pickled."""
_PICKLE = b"\x80"
_NESTED = ("state_dict", "model", "model_state_dict", "module", "model_ema", "state_dict_ema", "ema")
"""Where checkpoints that hold more than weights keep them, the first that is there: mmsegmentation's, and Segmenter's
and detectron2's; averages of the weights where there is nothing else."""
_DEEPEST = 4
"""Levels of that."""
_WRAPPED = "module."
"""Before every key, if the model was saved out of its wrapper for several GPUs."""


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The weights in a checkpoint, by key, on the CPU.

    What kind of file it is, is told by its content: safetensors, a zip archive of torch, a pickle of torch before 1.6,
    a pickle of numpy arrays as detectron2 publishes them, or ONNX. What stands beside the weights is left out, whatever
    it is; nothing of a pickle is called, see `pickles`.

    Raises:
        UserError: The file is not there, damaged, of another kind, or names something that could run code.
    """
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{path}: is no file; name a checkpoint")
        with path.open("rb") as file:
            head = file.read(16)
        with _opened(path, head) as content:
            return _weights(path, content)
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    except pickles.ForbiddenError as error:
        raise UserError(
            f"{path}: names '{error}', which weights do not need and which could run code; refused: use a file you can "
            "trust"
        ) from None
    except Exception as error:  # a damaged pickle can raise anything
        raise UserError(f"{path}: damaged or incomplete ({_line(error)}); get it anew") from error


def _opened(path: Path, head: bytes) -> AbstractContextManager[Any]:
    if head.startswith(_ZIP):
        return torch_files.open_zip(path)
    if head.startswith(_TORCH):
        return torch_files.open_legacy(path)
    if head.startswith(_PICKLE):
        with path.open("rb") as file:
            return nullcontext(pickles.load(file))
    if head[8:9] == b"{":
        return nullcontext(load_file(path))
    if head.startswith(onnx_files.BEGIN):
        return nullcontext(onnx_files.read_onnx(path))
    raise UserError(
        f"{path}: not a checkpoint: neither safetensors, nor written by torch, nor a pickle, nor ONNX; get it anew"
    )


def _weights(path: Path, content: Any) -> dict[str, Tensor]:
    for _ in range(_DEEPEST):
        key = next(
            (key for key in _NESTED if isinstance(content, Mapping) and isinstance(content.get(key), Mapping)), None
        )
        content = content if key is None else content[key]
    if not isinstance(content, Mapping) or not content:
        raise UserError(f"{path}: holds no weights by name; choose another file")
    weights = {}
    for key, value in content.items():
        if isinstance(value, pickles.Weight):
            value = value.tensor()
        elif isinstance(value, pickles.Array) and value.value is not None:
            value = torch.from_numpy(value.value)
        if not isinstance(key, str) or not isinstance(value, Tensor):
            name = key if isinstance(key, (str, int)) else type(key).__name__
            raise UserError(f"{path}: holds more than weights: '{name}' is no tensor; choose another file")
        weights[key] = value
    if all(key.startswith(_WRAPPED) for key in weights):
        weights = {key.removeprefix(_WRAPPED): value for key, value in weights.items()}
    return weights


def _line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
