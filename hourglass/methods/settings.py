"""Checks of settings that several methods share."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from hourglass.registry import UnknownNameError


def check_names(settings: Mapping[str, Any], known: Collection[str], needed: Collection[str]) -> None:
    """Raises ValueError if a setting is unknown or missing."""
    for name in settings:
        if name not in known:
            raise UnknownNameError("setting", name, list(known))
    for name in needed:
        if name not in settings:
            raise ValueError(f"setting '{name}' is missing")


def number(name: str, value: object, *, above: float = 0, most: float = math.inf, below: float = math.inf) -> float:
    """A setting that is a number above one bound, and at most or below another.

    Raises:
        ValueError: It is not.
    """
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    if not fits or not above < value <= most or not value < below:  # type: ignore[operator]
        upper = f" and at most {most:g}" if most < math.inf else f" and below {below:g}" if below < math.inf else ""
        raise ValueError(f"{name} must be a number above {above:g}{upper}, got {value!r}")
    return value  # type: ignore[return-value]


def integer(name: str, value: object, *, least: int) -> int:
    """A setting that is an integer not below `least`.

    Raises:
        ValueError: It is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")
    return value


def flag(name: str, value: object) -> bool:
    """A setting that is true or false.

    Raises:
        ValueError: It is neither.
    """
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, got {value!r}")
    return value
