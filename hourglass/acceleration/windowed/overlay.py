"""Attributes that are otherwise for a while."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

Values = Iterable[tuple[nn.Module, Mapping[str, Any]]]
_ABSENT = object()


class Overlay:
    """Values laid over the attributes of modules, and taken away again.

    An entry in a module's `__dict__` hides a parameter, buffer or method of that name without replacing it: what is
    registered, saved and trained stays the same object.
    """

    def __init__(self) -> None:
        self._hidden: list[tuple[nn.Module, str, Any]] = []

    def lay(self, values: Values) -> None:
        """Lays `values`, names to values for each module, over what is there; instead of any that still lie."""
        self.lift()
        for module, names in values:
            for name, value in names.items():
                self._hidden.append((module, name, module.__dict__.get(name, _ABSENT)))
                module.__dict__[name] = value

    def lift(self) -> None:
        """Takes everything away."""
        while self._hidden:
            module, name, value = self._hidden.pop()
            if value is _ABSENT:
                module.__dict__.pop(name, None)
            else:
                module.__dict__[name] = value
