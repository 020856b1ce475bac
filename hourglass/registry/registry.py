"""Names to objects: those of the project, of installed packages and of a user's own folder."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar, overload

from hourglass.registry.errors import UnknownNameError, UserError
from hourglass.registry.folders import import_folders

T = TypeVar("T")
Decorated = TypeVar("Decorated")


class Registry(Generic[T]):
    """Everything of one kind by its name.

    Three things add to it:

    - the project itself, with a target ``module:object`` that is imported when the name is first asked for;
    - an installed package, with an entry point in the group ``hourglass.<kind>s``;
    - a user's Python file, with a call of `register`, in a folder of `hourglass.registry.include`.

    Args:
        kind: What is registered, in the singular, for messages.
        entries: What the project has: objects, or their targets, by name.
        read: The same, from files that are read when a name is first asked for.
    """

    def __init__(
        self, kind: str, entries: Mapping[str, T | str] | None = None, read: Callable[[], Mapping[str, T]] | None = None
    ) -> None:
        self.kind = kind
        self.group = f"hourglass.{kind.replace(' ', '_')}s"
        self._entries: dict[str, Callable[[], T]] = {}
        self._defined: set[str] = set()
        self._read = read
        self._installed_are_known = False
        for name, value in (entries or {}).items():
            self._add(name, partial(_imported, value) if isinstance(value, str) else partial(_itself, value))

    @overload
    def register(self, name: str) -> Callable[[Decorated], Decorated]: ...

    @overload
    def register(self, name: str, value: T) -> T: ...

    def register(self, name: str, value: Any = None) -> Any:
        """Add an object under a name: by a call, or as the decorator of a class or function.

        Raises:
            UserError: The name is taken.
        """
        if value is None:
            return partial(self.register, name)
        self._read_own()
        self._add(name, partial(_itself, value))
        return value

    def define(self, name: str, value: T) -> None:
        """As `register`, for what a file says, which may be read again and say something else then.

        Raises:
            UserError: The name is taken by something that no file defined.
        """
        if self.is_registered(name):
            raise UserError(f"{self.kind}: the name '{name}' is taken; choose another one")
        self._defined.add(name)
        self._entries[name] = partial(_itself, value)

    def names(self) -> list[str]:
        """All names: the project's, those of installed packages, those of the user's folders.

        Raises:
            UserError: A name is registered twice, or a file of the user's cannot be imported.
        """
        self._complete()
        return list(self._entries)

    def is_registered(self, name: str) -> bool:
        """Whether something has the name that is not just defined by a file."""
        return name in self.names() and name not in self._defined

    def get(self, name: str) -> T:
        """The object behind a name.

        Raises:
            UserError: Nothing has that name, or what has it cannot be imported.
        """
        self._complete()
        if name not in self._entries:
            raise UnknownNameError(self.kind, name, list(self._entries))
        return self._entries[name]()

    @contextmanager
    def replaced(self, name: str, value: T) -> Iterator[None]:
        """Have another object behind a name, new or not, for as long as the block runs: for tests."""
        self._complete()
        before = dict(self._entries)
        self._entries[name] = partial(_itself, value)
        try:
            yield
        finally:
            self._entries = before

    def _complete(self) -> None:
        self._read_own()
        if not self._installed_are_known:
            before = dict(self._entries)
            try:
                for entry_point in entry_points(group=self.group):
                    self._add(entry_point.name, partial(_installed, self.kind, entry_point))
            except UserError:
                self._entries = before
                raise
            self._installed_are_known = True
        import_folders()

    def _read_own(self) -> None:
        if self._read is not None:
            read, self._read = self._read, None
            for name, value in read().items():
                self._add(name, partial(_itself, value))

    def _add(self, name: str, entry: Callable[[], T]) -> None:
        if name in self._entries:
            raise UserError(f"{self.kind}: the name '{name}' is taken; choose another one")
        self._entries[name] = entry


def _itself(value: T) -> T:
    return value


def _imported(target: str) -> Any:
    module, attribute = target.split(":")
    return getattr(importlib.import_module(module), attribute)


def _installed(kind: str, entry_point: EntryPoint) -> Any:
    try:
        return entry_point.load()
    except UserError:
        raise
    except Exception as error:  # whatever a foreign package may raise
        package = entry_point.dist.name if entry_point.dist else entry_point.value
        reason = f"{type(error).__name__}: {error}"
        raise UserError(
            f"{kind} '{entry_point.name}': the package '{package}' that brings it cannot be imported ({reason}); "
            "repair or uninstall it"
        ) from error
