"""Names to objects that are imported when they are asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Generic, TypeVar, cast

from hourglass.registry.errors import UserError, hint

T = TypeVar("T")


class Registry(Generic[T]):
    """A fixed table of names, each with the ``module:object`` that stands behind it.

    Args:
        kind: What is registered, in the singular, for messages.
        entries: Targets by name. Nothing is imported until `get`.
    """

    def __init__(self, kind: str, entries: Mapping[str, str]) -> None:
        self._kind = kind
        self._entries = dict(entries)

    def names(self) -> list[str]:
        """All names, in the order they were registered."""
        return list(self._entries)

    def get(self, name: str) -> T:
        """The object behind a name.

        Raises:
            UserError: Nothing has that name.
        """
        if name not in self._entries:
            raise UserError(f"{self._kind}: unknown name '{name}'; {hint(name, self.names())}")
        module, attribute = self._entries[name].split(":")
        return cast(T, getattr(importlib.import_module(module), attribute))
