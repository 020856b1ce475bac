"""Pickles of weights, read by an unpickler that calls nothing of theirs.

What weights are made of becomes a description (`Weight`, `Array`), everything else an inert `Placeholder`: a checkpoint
may hold its training's configuration, counters and log beside the weights, and neither their classes nor anything else
that it names is imported. Names of the standard library that data does not need are refused, since they are attacks.
"""

from __future__ import annotations

import pickle
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import IO, Any, Protocol

import numpy as np
import torch
from torch import Tensor

HARMLESS = {
    **dict.fromkeys(("argparse", "collections", "copyreg", "datetime", "decimal", "enum", "fractions"), None),
    **dict.fromkeys(("functools", "logging", "pathlib", "random", "types", "uuid", "zoneinfo"), None),
    "builtins": {"bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "getattr", "int", "list"}
    | {"object", "range", "set", "slice", "str", "tuple", "type", "Ellipsis"}
    | {"long", "unicode", "xrange"},  # as the older protocols call them
}
"""Modules of the standard library, all of them or some names, of which placeholders are made as of other packages."""

STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
}


class ForbiddenError(pickle.UnpicklingError):
    """Its text is the dotted name of what the pickle asked for."""


class Placeholder:
    """Stands for an object that is not a weight; takes whatever an unpickler does to it and does nothing."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def _ignore(self, *_: object, **__: object) -> None:
        pass

    __setstate__ = __setitem__ = append = extend = add = update = _ignore


class Storage(Protocol):
    """Numbers that lie in the file, beside the pickle."""

    kind: torch.dtype

    def read(self) -> bytearray:
        """All of them."""
        ...


@dataclass
class Weight:
    """A tensor of torch: a part of a storage."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def __setstate__(self, _: object) -> None:
        raise pickle.UnpicklingError("a tensor with a state")

    def tensor(self) -> Tensor:
        """The tensor.

        Raises:
            ValueError: It reaches beyond its storage, or shows numbers of it more than once.
        """
        kind, content = self.storage.kind, self.storage.read()
        count, there = prod(self.size), len(content) // kind.itemsize
        last = self.offset + sum((size - 1) * step for size, step in zip(self.size, self.stride, strict=True))
        if min(*self.size, *self.stride, self.offset, 0) < 0 or (count and max(last + 1, count) > there):
            raise ValueError(f"a tensor of {self.size} in a storage of {there} numbers")
        if not count:
            return torch.empty(self.size, dtype=kind)
        return torch.frombuffer(content, dtype=kind).as_strided(self.size, self.stride, self.offset)


class Array:
    """An array of numpy, of which pickles say shape, type and content when it is made already."""

    def __init__(self, *_: object) -> None:
        self.value: np.ndarray[Any, Any] | None = None

    def __setstate__(self, state: Any) -> None:
        """What numpy pickles of an array: version, shape, type, order and content."""
        _, shape, kind, fortran, content = state
        self.fill(content, kind, shape, "F" if fortran else "C")

    def fill(self, content: Any, kind: Any, shape: Any, order: Any) -> Array:
        """Make the array out of its bytes; others than plain numbers stay without a value."""
        if isinstance(kind, _Type) and isinstance(content, (bytes, bytearray)) and kind.code[:1] in "fiu":
            plain = np.frombuffer(content, np.dtype(kind.order + kind.code))
            self.value = plain.astype(plain.dtype.newbyteorder("=")).reshape(tuple(shape), order=order)
        return self


class _Type:
    """A data type of numpy."""

    def __init__(self, code: object, *_: object) -> None:
        self.code, self.order = str(code), "="

    def __setstate__(self, state: Any) -> None:
        self.order = state[1] if state[1] in ("<", ">") else "="


def _weight(storage: Storage, offset: Any, size: Any, stride: Any, *_: object) -> Weight:
    return Weight(storage, int(offset), tuple(map(int, size)), tuple(map(int, stride)))


def _first(value: Any, *_: object) -> Any:
    return value


def _rebuilt(function: Callable[..., Any], _: object, arguments: Sequence[Any], *__: object) -> Any:
    return function(*arguments)


def _bytes(text: str, *_: object) -> bytes:
    return text.encode("latin1")


def _from_buffer(content: Any, kind: Any, shape: Any, order: Any) -> Array:
    return Array().fill(content, kind, shape, order)


_FUNCTIONS: dict[tuple[str, str], Callable[..., Any]] = {
    ("_codecs", "encode"): _bytes,  # bytes, in the older protocols
    ("numpy", "dtype"): _Type,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): Array for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
    ("torch._utils", "_rebuild_tensor"): _weight,
    ("torch._utils", "_rebuild_tensor_v2"): _weight,
    ("torch._utils", "_rebuild_parameter"): _first,
    ("torch._utils", "_rebuild_parameter_with_state"): _first,
    ("torch._tensor", "_rebuild_from_type_v2"): _rebuilt,
}


class _Unpickler(pickle._Unpickler):  # written in Python: the other one can be made to allocate without end
    def __init__(self, file: IO[bytes], storage: Callable[[Any], Any]) -> None:
        super().__init__(file, encoding="latin1")
        self._storage = storage

    def persistent_load(self, pid: Any) -> Any:
        return self._storage(pid)

    def find_class(self, module: str, name: str) -> Any:
        module = {"__builtin__": "builtins", "copy_reg": "copyreg"}.get(module, module)
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module.partition(".")[0] == "torch" and name in STORAGES:
            return STORAGES[name]
        if function := _FUNCTIONS.get((module, name)):
            return partial(function)  # a new one, so that nothing a pickle does to it lasts
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names and (top not in HARMLESS or name not in (HARMLESS[top] or (name,))):
            raise ForbiddenError(f"{module}.{name}")
        return type("Placeholder", (Placeholder,), {})


def _no_storage(_: Any) -> Storage:
    raise pickle.UnpicklingError("a storage where there are none")


def load(file: IO[bytes], storage: Callable[[Any], Any] = _no_storage) -> Any:
    """What is pickled in an open file: containers, texts, numbers, `Weight`, `Array` and `Placeholder`.

    Args:
        file: Is read up to the end of the pickle.
        storage: From the id that a `Storage` has in the pickle to the storage.

    Raises:
        ForbiddenError: It asks for what could run code, which is not imported then.
        Exception: Any, if the file is damaged.
    """
    return _Unpickler(file, storage).load()
