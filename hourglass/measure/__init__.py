"""Measuring a case: accuracy, cost and speed, each with the conditions it holds under, and where it comes from."""

from __future__ import annotations

from hourglass.measure.accuracy import accuracy, accuracy_of_shard, merged
from hourglass.measure.cost import cost
from hourglass.measure.provenance import provenance
from hourglass.measure.quantities import all_quantities, quantity
from hourglass.measure.speed import speed
from hourglass.measure.types import Measured, Partial

__all__ = [
    "Measured",
    "Partial",
    "accuracy",
    "accuracy_of_shard",
    "all_quantities",
    "cost",
    "merged",
    "provenance",
    "quantity",
    "speed",
]
