"""What a task is: from a model's output to predictions, and from those to files; and what scores them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from hourglass.bench.datasets.base import Category, Sample
from hourglass.bench.tasks.metric import Metric
from hourglass.registry import UserError

if TYPE_CHECKING:
    from torch import Tensor

Values = dict[str, float | None]
"""By metric name; None where the metric does not apply, as AP of small objects to a split that has none."""

TARGET_NAME = "ground truth"
"""What the targets of a task are called unless it says otherwise."""


@dataclass(frozen=True)
class Detections:
    """Prediction of object detection and instance segmentation for one image."""

    boxes: Tensor
    """(N, 4) float: left, top, right, bottom in pixels."""
    scores: Tensor
    """(N,) float in [0, 1]."""
    labels: Tensor
    """(N,) int64."""
    masks: Tensor | None = None
    """(N, H, W) bool, for instance segmentation."""


def require_classes(found: int, categories: Sequence[Any], *, exactly: bool = False) -> None:
    """Make sure that a model gives no more classes than the data set has: a label beyond them stands for nothing.

    Args:
        found: Number of classes the model gives.
        categories: The data set's.
        exactly: Whether fewer are wrong too.

    Raises:
        UserError: There are others.
    """
    if found > len(categories) or (exactly and found != len(categories)):
        raise UserError(
            f"model: gives {found} classes, but the data set has {len(categories)}; choose the data set it was made for"
        )


class Scorer(Protocol):
    """Sees every prediction with its sample, in any order, then knows some metrics of a task.

    Args:
        task: With its settings.
        categories: Of the data set.

    Attributes:
        metrics: All that it computes.
    """

    metrics: ClassVar[tuple[Metric, ...]]

    def __init__(self, task: Any, categories: Sequence[Category]) -> None: ...

    def add(self, prediction: Any, sample: Sample) -> None:
        """Count one image."""
        ...

    def values(self) -> Values:
        """Every one of `metrics`, over all images so far."""
        ...

    def state(self) -> Any:
        """All that was counted so far, made of what JSON holds without loss: numbers, texts, lists and dicts."""
        ...

    def merge(self, state: Any) -> None:
        """Count what is behind another scorer's state.

        Merged in the order of the images, metrics are the same to the last digit as if this scorer had seen them all.
        """
        ...


class Writer(Protocol):
    """Writes predictions in the task's standard format, so that anyone can score them again."""

    def add(self, prediction: Any, sample: Sample) -> None:
        """Write one image's prediction."""
        ...

    def close(self) -> None:
        """Write what is written once for all images."""
        ...


class Task(Protocol):
    """One of the dense prediction tasks.

    Attributes:
        targets_of_untouched_model: Whether predictions are compared with the untouched model's, as there are no labels.
            It may be absent; then they are compared with the data set's labels.
        target_name: What the targets are called where they are shown. It may be absent; then it is `TARGET_NAME`.
    """

    @property
    def name(self) -> str:
        """As in suites and paths."""
        ...

    def predict(self, output: Any, sizes: Sequence[tuple[int, int]], categories: Sequence[Category]) -> list[Any]:
        """Predictions from a model's output for a batch.

        Args:
            output: What the model returned.
            sizes: Height and width of each image; predictions come out at this size.
            categories: Of the data set the model was trained for.
        """
        ...

    def writer(self, folder: Path, categories: Sequence[Category]) -> Writer:
        """A writer into ``folder``, which is made."""
        ...
