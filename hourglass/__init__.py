"""Vision transformers for dense prediction, faster without training: cluster tokens early, reconstruct them late."""

from hourglass.acceleration import Plan, apply, is_applied, remove

__all__ = ["Plan", "apply", "is_applied", "remove"]
