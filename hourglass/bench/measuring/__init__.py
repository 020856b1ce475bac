"""Measuring: accuracy, cost and speed, each with the conditions it holds under, and where it comes from.

`measure_accuracy` and the like measure a model that you have; `cases` measures those that suites name.
"""

from __future__ import annotations

from hourglass.bench.measuring.accuracy import measure_accuracies, measure_accuracy, measure_shard, merged
from hourglass.bench.measuring.cost import measure_cost
from hourglass.bench.measuring.provenance import provenance, require_provenance
from hourglass.bench.measuring.quantities import all_quantities, quantity
from hourglass.bench.measuring.running import Runner
from hourglass.bench.measuring.speed import measure_speed, pooled
from hourglass.bench.measuring.types import Partial, Result, Shard

__all__ = [
    "Partial",
    "Result",
    "Runner",
    "Shard",
    "all_quantities",
    "measure_accuracies",
    "measure_accuracy",
    "measure_cost",
    "measure_shard",
    "measure_speed",
    "merged",
    "pooled",
    "provenance",
    "quantity",
    "require_provenance",
]
