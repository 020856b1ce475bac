"""Passes on the meta device that compute no shape twice, as PyTorch does that slowly, in Python."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

Key = tuple[object, ...]


class Remembered(TorchDispatchMode):
    """Results of operators on meta tensors alone, that neither change nor share memory, follow from their arguments.

    Everything else, and what these do for the first time, is computed as without the mode.
    """

    _known: dict[Key, Any] = {}  # noqa: RUF012 - of the process: models of one size have many operators in common

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        values, structure = tree_flatten((args, kwargs))
        tensors = [value for value in values if isinstance(value, Tensor)]
        if not tensors or any(value.device.type != "meta" for value in tensors) or _aliases(func):
            return func(*args, **kwargs)
        key = (func, structure, torch.is_inference_mode_enabled(), *map(_key, values))
        if key not in self._known:
            self._known[key] = func(*args, **kwargs)
        return tree_map_only(Tensor, _another, self._known[key])


def _aliases(func: Any) -> bool:
    schema = func._schema
    return any(part.alias_info is not None for part in (*schema.arguments, *schema.returns))


def _key(value: object) -> Key:
    if isinstance(value, Tensor):
        return value.shape, value.stride(), value.dtype
    return type(value), value


def _another(value: Tensor) -> Tensor:
    if value.device.type != "meta":
        raise AssertionError(f"made on {value.device} of meta tensors alone")
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")
