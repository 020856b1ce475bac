"""A CUDA device without one: shapes and devices are computed, numbers are not, and what a GPU would wait for is found.

A GPU runs behind the Python code. It waits whenever that code wants to see a number (`.item()`, `nonzero`, an index of
booleans) or has data on the CPU (an index left there, a copy); and no such thing can be captured in a CUDA graph.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

OLD = not hasattr(torch.export, "Dim")

WAITING = {
    "_local_scalar_dense",
    "_unique2",
    "bincount",
    "equal",
    "is_nonzero",
    "masked_select",
    "nonzero",
    "repeat_interleave",
    "unique_consecutive",
    "unique_dim",
}


class Waits(TorchDispatchMode):
    """Finds what a GPU would wait for.

    Attributes:
        found: What was found, one line each.
        constants: How many constants were made on the CPU and copied to the device, which is fine if it happens once.
    """

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = device
        self.found: list[str] = []
        self.constants = 0
        self._from_host: list[Tensor] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        tensors = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, Tensor)]
        if name in WAITING:
            self.found.append(f"{name}: its result must be known before the code goes on")
        elif name in ("index", "index_put", "index_put_") and any(
            t.dtype in (torch.bool, torch.uint8) for t in tensors[1:]
        ):
            self.found.append(f"{name}: an index of booleans has as many rows as it has truths")
        result = func(*args, **(kwargs or {}))
        made = [value for value in tree_flatten(result)[0] if isinstance(value, Tensor)]
        if name in ("lift_fresh", "device", "scalar_tensor"):
            self._from_host += made
        elif name in ("_to_copy", "copy_", "clone", "detach") and any(
            t is known for t in tensors for known in self._from_host
        ):
            self.constants += 1
        elif any(t.device.type != self.device for t in tensors + made):
            self.found.append(f"{name}: works on {', '.join(sorted({str(t.device) for t in tensors + made}))}")
        return result


@contextmanager
def fake_cuda() -> Iterator[Waits]:
    """Inside the ``with`` block, tensors can be made on a device "cuda", and what it would wait for is found."""
    if OLD:
        pytest.skip("PyTorch 2.1 cannot pretend a CUDA device without its driver")
    with FakeTensorMode(), Waits("cuda") as waits:
        yield waits
