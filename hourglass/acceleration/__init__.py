"""Any supported vision transformer as an hourglass, with one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hourglass.acceleration.plan import Plan

if TYPE_CHECKING:
    from hourglass.acceleration.accelerating import Accelerated, apply, is_applied, remove, summary

__all__ = ["Accelerated", "Plan", "apply", "is_applied", "remove", "summary"]


def __getattr__(name: str) -> Any:
    """What needs torch, imported when it is asked for: a plan can be checked without."""
    if name not in __all__:
        raise AttributeError(f"module 'hourglass.acceleration' has no attribute '{name}'")
    from hourglass.acceleration import accelerating

    return getattr(accelerating, name)
