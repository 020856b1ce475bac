"""All scorers of a task as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hourglass.bench.datasets.base import Sample
from hourglass.bench.tasks.base import Scorer, Values
from hourglass.registry import UserError


class Scorers:
    """Every scorer of a task, each of which sees every prediction.

    Args:
        scorers: By name.
    """

    def __init__(self, scorers: Mapping[str, Scorer]) -> None:
        self._scorers = dict(scorers)

    def add(self, prediction: Any, sample: Sample) -> None:
        """Count one image."""
        for scorer in self._scorers.values():
            scorer.add(prediction, sample)

    def values(self) -> Values:
        """Every metric of the task, over all images so far."""
        return {name: value for scorer in self._scorers.values() for name, value in scorer.values().items()}

    def state(self) -> dict[str, Any]:
        """The states of all scorers, by name."""
        return {name: scorer.state() for name, scorer in self._scorers.items()}

    def merge(self, state: Mapping[str, Any]) -> None:
        """Count what is behind other scorers' states; see `Scorer`.

        Raises:
            UserError: They have other metrics.
        """
        if differing := state.keys() ^ self._scorers.keys():
            raise UserError(f"metrics: a part was counted with others ({', '.join(sorted(differing))}); count it again")
        for name, scorer in self._scorers.items():
            scorer.merge(state[name])
