"""A pickle of numpy arrays, read by an unpickler that knows nothing else."""

from __future__ import annotations

import pickle
from typing import IO, Any

_NUMPY = ("numpy.core.multiarray", "numpy._core.multiarray")
"""Its names before and since numpy 2."""
_ALLOWED = {
    ("collections", "OrderedDict"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("_codecs", "encode"),  # bytes, in the older protocols
    *((module, name) for module in _NUMPY for name in ("_reconstruct", "scalar")),
}


class ForbiddenError(pickle.UnpicklingError):
    """Its text is the dotted name of what the pickle asked for."""


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise ForbiddenError(f"{module}.{name}")
        return super().find_class(module, name)


def load(file: IO[bytes]) -> Any:
    """What is pickled in an open file: plain containers, texts, numbers and numpy arrays.

    Raises:
        ForbiddenError: It asks for anything else, which is not imported then.
        Exception: Any, if the file is damaged.
    """
    return _ArrayUnpickler(file, encoding="latin1").load()
