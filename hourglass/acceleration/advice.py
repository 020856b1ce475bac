"""Whether a plan does these tokens any good."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from hourglass.acceleration.clustering import Clusters
from hourglass.acceleration.plan import Plan

_LEAST_SHARPNESS = 1.0
_LEAST_SUM = 0.5


def objections(clusters: Clusters, plan: Plan, encoder: str) -> Iterator[str]:
    """What speaks against a plan, in one line each, by what it made of the tokens of one batch.

    Args:
        clusters: What came of them.
        plan: The operating point.
        encoder: Name of the encoder's class.
    """
    grid, few = clusters.grid, clusters.small_grid
    if few[0] * few[1] >= grid[0] * grid[1]:
        yield (
            f"{few[0]} x {few[1]} clusters in place of {grid[0]} x {grid[1]} tokens save nothing: choose smaller "
            "plan.clusters"
        )
    if plan.temperature is None:
        return
    try:
        with torch.no_grad():
            sharpness = float(clusters.relative_sharpness(plan.temperature))
            total = float(clusters.weight_sums().float().mean())
    except RuntimeError:  # no values: tokens are pretended, or inside a function transform
        return
    if sharpness < _LEAST_SHARPNESS or total < _LEAST_SUM:
        told = "all clusters look equally near" if sharpness < _LEAST_SHARPNESS else "tokens fade away"
        better = plan.temperature * 10 / max(sharpness, 1e-9)
        yield (
            f"plan.temperature {plan.temperature} does not suit the tokens of {encoder}: {told} (weights of the "
            f"reconstruction sum to {total:.2g}; sharpness {sharpness:.2g}, where 5 to 20 are good); try {better:.2g}, "
            "or form='residual' without a number"
        )
