"""Measuring a case: accuracy, cost and speed, each with the conditions it holds under, and where it comes from."""

from __future__ import annotations

from hourglass.bench.measuring.accuracy import accuracy, accuracy_of_shard, merged
from hourglass.bench.measuring.cost import cost
from hourglass.bench.measuring.provenance import provenance
from hourglass.bench.measuring.quantities import all_quantities, quantity
from hourglass.bench.measuring.speed import speed
from hourglass.bench.measuring.types import Partial, Result, Shard

__all__ = [
    "Partial",
    "Result",
    "Shard",
    "accuracy",
    "accuracy_of_shard",
    "all_quantities",
    "cost",
    "merged",
    "provenance",
    "quantity",
    "speed",
]
