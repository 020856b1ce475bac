"""Any supported vision transformer as an hourglass, with one call."""

from hourglass.acceleration.apply import Accelerated, apply, is_applied, remove, summary
from hourglass.acceleration.plan import Plan

__all__ = ["Accelerated", "Plan", "apply", "is_applied", "remove", "summary"]
