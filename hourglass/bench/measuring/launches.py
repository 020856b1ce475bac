"""Which kernels a GPU would launch, what they move and what they multiply, counted on the meta device without a GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from hourglass.bench.measuring.macs import count_macs

_MORE_THAN_ONE = {"topk": 2}
"""Kernels that an operator launches, where it is not one: a selection, and then a gathering of what was selected."""
_WHOLE = {"upsample_nearest2d"}
"""Operators that are made of others on the meta device, but are one kernel on a GPU."""
_NONE = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "device"}


@dataclass(frozen=True)
class Launch:
    """One operator of a run that launches something.

    Attributes:
        operator: Its name.
        kernels: How many it launches.
        bytes: Read and written, each tensor once.
        macs: Multiply-accumulates of matrix products and weighted sums.
    """

    operator: str
    kernels: int
    bytes: int
    macs: int


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: list[tuple[str, int]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        if name not in _WHOLE:
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        result = func(*args, **kwargs)
        if name not in _NONE and not _is_view(func):
            self.seen.append((name, _bytes((args, kwargs)) + _bytes(result)))
        return result


def launches(run: Callable[[], Any]) -> list[Launch]:
    """What a run launches when nothing fuses its operators.

    Args:
        run: Computes on tensors of the meta device. It runs three times; the first time lays out what is laid out once
            for each size, and is not counted.
    """
    run()
    with torch.inference_mode(), _Recorder() as recorder:
        run()
    names = {name for name, _ in recorder.seen}
    macs = [event for event in count_macs(run).events if event.macs and event.operator in names]
    found = []
    for name, moved in recorder.seen:
        own = macs.pop(0).macs if macs and macs[0].operator == name else 0
        found.append(Launch(name, _MORE_THAN_ONE.get(name, 1), moved, own))
    return found


def _is_view(func: Any) -> bool:
    alias = [value.alias_info for value in func._schema.returns]
    return any(info is not None and not info.is_write for info in alias)


def _bytes(tree: Any) -> int:
    tensors = {id(value): value for value in tree_flatten(tree)[0] if isinstance(value, Tensor)}
    return sum(_elements(tensor) * tensor.element_size() for tensor in tensors.values())


def _elements(tensor: Tensor) -> int:
    """Without those that an expansion repeats."""
    count = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        count *= size if stride else 1
    return count
