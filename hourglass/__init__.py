"""Vision transformers for dense prediction, faster without training: cluster tokens early, reconstruct them late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hourglass.acceleration import Plan, apply, is_applied, remove, summary
    from hourglass.tuning import tune

__all__ = ["Plan", "apply", "is_applied", "remove", "summary", "tune"]


def __getattr__(name: str) -> Any:
    """The public names, imported when they are asked for: the command line need not wait for torch."""
    if name not in __all__:
        raise AttributeError(f"module 'hourglass' has no attribute '{name}'")
    from hourglass import acceleration, tuning

    return getattr(tuning if name == "tune" else acceleration, name)
