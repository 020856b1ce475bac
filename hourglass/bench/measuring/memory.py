"""Peak memory of what a model allocates while it runs, exact and the same every time, on any device.

Counted are the bytes of the tensors that operators return, from their allocation until nothing refers to them. Scratch
space inside an operator and the allocator's own rounding are not seen.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten


class AllocationCounter(TorchDispatchMode):
    """Follows every storage that is made inside its ``with`` block; use `peak_bytes`."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.allocated = 0
        self.peak = 0
        self._known: dict[int, int] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        for storage in _storages((args, kwargs)):
            self._follow(storage, 0)
        result = func(*args, **kwargs)
        for storage in _storages(result):
            self._follow(storage, storage.nbytes())
        return result

    def _follow(self, storage: torch.UntypedStorage, size: int) -> None:
        key = storage._cdata
        if key in self._known:
            return
        self._known[key] = size
        self.allocated += size
        self.peak = max(self.peak, self.allocated)
        weakref.finalize(storage, self._forget, key).atexit = False

    def _forget(self, key: int) -> None:
        self.allocated -= self._known.pop(key)


def can_count() -> bool:
    """Whether a storage has one object as long as it lives, by which it is followed; not so in PyTorch 2.1."""
    tensor = torch.empty(0)
    return tensor.untyped_storage() is tensor.untyped_storage()


def peak_bytes(run: Callable[[], Any]) -> int:
    """The most that is allocated at any time while ``run`` runs, on top of what was allocated before."""
    counter = AllocationCounter()
    with torch.no_grad(), counter:  # in inference mode, composite operators would hide what they allocate
        run()
    return counter.peak


def _storages(values: Any) -> Iterator[torch.UntypedStorage]:
    for value in tree_flatten(values)[0]:
        if isinstance(value, Tensor):
            yield value.untyped_storage()
