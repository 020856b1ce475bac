"""Ways to run a model by name: untouched, as an hourglass, or by a competing method of token reduction.

A new method is an object with the functions of `Method` under a name of its own in `METHODS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from hourglass.registry import Registry, UserError

if TYPE_CHECKING:
    from torch import nn

Settings = Mapping[str, Any]


class Method(Protocol):
    """One way to run a model."""

    def resolve(self, settings: Settings) -> dict[str, Any]:
        """The settings in full, defaults filled in.

        Raises:
            ValueError: A setting is unknown, missing or out of range.
        """
        ...

    def apply(self, model: nn.Module, settings: Settings) -> nn.Module:
        """Change the model, in place; the model.

        Raises:
            ValueError: The settings do not fit this model.
        """
        ...

    def remove(self, model: nn.Module) -> nn.Module:
        """Undo `apply`, bit for bit; the model.

        Raises:
            ValueError: The model does not run by this method.
        """
        ...


METHODS: Registry[Method] = Registry(
    "method",
    {
        "baseline": "hourglass.methods.baseline:BASELINE",
        "hourglass": "hourglass.methods.clustering:HOURGLASS",
        "average-pooling": "hourglass.methods.average_pooling:AVERAGE_POOLING",
        "evit": "hourglass.methods.evit:EVIT",
        "resolution": "hourglass.methods.resolution:RESOLUTION",
        "tome": "hourglass.methods.tome:TOME",
    },
)
"""What a package or a user adds a method to: ``METHODS.register("mine", Mine())``."""


def resolve(method: str, settings: Settings) -> dict[str, Any]:
    """A method's settings in full, as plain data: what provenance records.

    Raises:
        UserError: No method has that name, or a setting is unknown, missing or out of range.
    """
    chosen = METHODS.get(method)
    try:
        return chosen.resolve(settings)
    except ValueError as error:
        raise UserError(f"method '{method}': {error}") from error


def apply(method: str, model: nn.Module, settings: Settings) -> nn.Module:
    """Change a model, in place, so that it runs by a method; the model.

    Raises:
        UserError: No method has that name, or the settings do not fit.
    """
    chosen = METHODS.get(method)
    try:
        return chosen.apply(model, settings)
    except ValueError as error:
        raise UserError(f"method '{method}': {error}") from error


def remove(method: str, model: nn.Module) -> nn.Module:
    """Undo `apply`: bit for bit the model it was.

    Raises:
        UserError: No method has that name, or it did not change the model.
    """
    chosen = METHODS.get(method)
    try:
        return chosen.remove(model)
    except ValueError as error:
        raise UserError(f"method '{method}': {error}") from error
