"""The plans that are worth trying on a model, from what its encoders look like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from hourglass.acceleration import Plan, apply, remove, summary
from hourglass.acceleration.clustering import watched

SIDES = (0.85, 0.75, 0.65, 0.5, 0.4)
"""Clusters along a side of the grid or window, as a share of its tokens."""
STARTS = 6
"""Blocks at which clustering is tried, at most."""
CHOICES: tuple[dict[str, Any], ...] = (
    {"proportional_attention": True, "interpolation": "linear"},
    {"interpolation": "linear"},
    {"proportional_attention": True},
)
"""What plans have that need not be asked for, the first that a model can do.

Not in attention windows, whose centers are too few for linear interpolation.
"""
LEAST_DEEP = 0.15
"""Share of all blocks that must run on clusters for a plan to be worth anything."""


@dataclass(frozen=True)
class Candidate:
    """A plan, and what it is expected to leave of the blocks' work.

    Attributes:
        plan: The operating point.
        work: Share of the token-block products that is left, between 0 and 1.
    """

    plan: Plan
    work: float

    def is_milder_than(self, other: Candidate) -> bool:
        """Whether it clusters no earlier and no coarser than another plan."""
        mine, others = self.plan, other.plan
        return mine.start >= others.start and all(a >= b for a, b in zip(mine.clusters, others.clusters, strict=True))


class Candidates:
    """The plans that a model can be run with.

    Args:
        model: A model that `hourglass.apply` supports; it comes back as it was.
        run: Runs the model on one of the images, so that the grid of its tokens is seen.
        **fields: Of every `Plan`, beside start and clusters. Unless they say otherwise, tokens of an encoder without
            attention windows are interpolated linearly, and attention is in proportion to the sizes of clusters where
            the model can do that: both are nearer to the model for nearly the same arithmetic.

    Raises:
        ValueError: The model is not supported.
    """

    def __init__(self, model: nn.Module, run: Callable[[], Any], **fields: Any) -> None:
        extents = _extents(model)
        self.blocks = max(extent[0] for extent in extents)
        self.grid, in_windows = _tokens(model, run)
        choices = [{**choice, **fields} for choice in CHOICES if not in_windows]
        self._fields = next((choice for choice in choices if _is_applied_to(model, choice)), fields)
        deep = {start: until - start for start, (_, until) in enumerate(extents)}
        self._deep = {start: count for start, count in deep.items() if count >= LEAST_DEEP * self.blocks}

    def spread(self) -> list[Candidate]:
        """Plans all over the range, from mild to strong."""
        found = {}
        for start in _spread(list(self._deep), STARTS):
            for side in SIDES:
                clusters = max(1, round(self.grid[0] * side)), max(1, round(self.grid[1] * side))
                if candidate := self._candidate(start, clusters):
                    found[candidate.plan] = candidate
        return sorted(found.values(), key=lambda candidate: -candidate.work)

    def around(self, plan: Plan) -> list[Candidate]:
        """The plans next to one: up to two blocks earlier or later, or a cluster more or less along both sides."""
        rows, columns = plan.clusters
        places = [
            *((plan.start + blocks, plan.clusters) for blocks in (-2, -1, 1, 2)),
            *((plan.start, (rows + more, columns + more)) for more in (-1, 1)),
        ]
        found = [candidate for place in places if (candidate := self._candidate(*place))]
        return sorted(found, key=lambda candidate: -candidate.work)

    def _candidate(self, start: int, clusters: tuple[int, int]) -> Candidate | None:
        """None if it is no plan of this model, or saves nothing."""
        kept = clusters[0] * clusters[1] / (self.grid[0] * self.grid[1])
        fits = all(1 <= few <= many for few, many in zip(clusters, self.grid, strict=True))
        if start not in self._deep or not fits or kept >= 1:
            return None
        plan = Plan(start=start, clusters=clusters, **self._fields)
        return Candidate(plan, 1 - self._deep[start] / self.blocks * (1 - kept))


def _is_applied_to(model: nn.Module, fields: dict[str, Any]) -> bool:
    """Whether plans with these fields can be."""
    try:
        apply(model, Plan(start=0, clusters=(1, 1), **fields))
    except ValueError:
        return False
    remove(model)
    return True


def _extents(model: nn.Module) -> list[tuple[int, int]]:
    """For every start: the number of blocks, and the block after which tokens are whole again."""
    extents: list[tuple[int, int]] = []
    while True:
        try:
            apply(model, Plan(start=len(extents), clusters=(1, 1)))
        except ValueError:
            if not extents:
                raise
            return extents
        encoders = summary(model)
        remove(model)
        extents.append((max(e.blocks for e in encoders), max(e.until for e in encoders)))


def _tokens(model: nn.Module, run: Callable[[], Any]) -> tuple[tuple[int, int], bool]:
    """Rows and columns of what is clustered at once, and whether it is a window rather than the grid of an image."""
    apply(model, Plan(start=0, clusters=(1, 1)))
    try:
        windows = [encoder.window for encoder in summary(model) if encoder.window is not None]
        if windows:
            return windows[0], True
        with watched() as seen:
            run()
        return seen[0].grid, False
    finally:
        remove(model)


def _spread(values: list[int], most: int) -> list[int]:
    """At most so many of the values, the first and the last among them, evenly apart."""
    if len(values) <= most:
        return values
    return [values[round(index * (len(values) - 1) / (most - 1))] for index in range(most)]
