"""Any supported vision transformer as an hourglass, with one call."""

from hourglass.acceleration.apply import apply, is_applied, remove
from hourglass.acceleration.plan import Plan

__all__ = ["Plan", "apply", "is_applied", "remove"]
