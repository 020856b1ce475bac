"""Tasks by name, each with its predictions and files, and what scores them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hourglass.bench.datasets.base import Category
from hourglass.bench.tasks.base import TARGET_NAME, Detections, Scorer, Task, Values, Writer
from hourglass.bench.tasks.metric import Metric
from hourglass.bench.tasks.scoring import Scorers
from hourglass.registry import Registry, UserError

__all__ = [
    "METRICS",
    "TASKS",
    "Detections",
    "Metric",
    "Scorer",
    "Scorers",
    "Task",
    "Values",
    "Writer",
    "get",
    "metrics",
    "scorer",
    "target_name",
]

TASKS: Registry[type[Task]] = Registry(
    "task",
    {
        "semantic-segmentation": "hourglass.bench.tasks.semantic:SemanticSegmentation",
        "depth-estimation": "hourglass.bench.tasks.depth:DepthEstimation",
        "object-detection": "hourglass.bench.tasks.detection:ObjectDetection",
        "instance-segmentation": "hourglass.bench.tasks.detection:InstanceSegmentation",
        "panoptic-segmentation": "hourglass.bench.tasks.panoptic:PanopticSegmentation",
        "saliency-agreement": "hourglass.bench.tasks.saliency:SaliencyAgreement",
    },
)

METRICS: Registry[type[Scorer]] = Registry(
    "metric",
    {
        "semantic-segmentation/miou": "hourglass.bench.tasks.semantic:SemanticScorer",
        "depth-estimation/rmse_m": "hourglass.bench.tasks.depth:DepthScorer",
        "object-detection/box_ap": "hourglass.bench.tasks.average_precision:BoxScorer",
        "instance-segmentation/mask_ap": "hourglass.bench.tasks.average_precision:MaskScorer",
        "panoptic-segmentation/pq": "hourglass.bench.tasks.panoptic:PanopticScorer",
        "saliency-agreement/agreement_cc": "hourglass.bench.tasks.saliency:AgreementScorer",
    },
)
"""Scorers by ``<task>/<first metric>``. All scorers of a task see its predictions, and a suite can judge by any metric:
``@METRICS.register("semantic-segmentation/boundary_f1")`` above a class with the functions of `Scorer`."""


def get(name: str, **settings: Any) -> Task:
    """A task.

    Args:
        name: A name of `TASKS`.
        **settings: What differs from its published protocol: thresholds and ranges, see the task's class.

    Raises:
        UserError: No task has that name.
    """
    return TASKS.get(name)(**settings)


def target_name(task: str) -> str:
    """What the targets of a task are called where they are shown.

    Raises:
        UserError: No task has that name.
    """
    return getattr(TASKS.get(task), "target_name", TARGET_NAME)


def metrics(name: str) -> tuple[Metric, ...]:
    """The metrics of a task: those of its published protocol first.

    Raises:
        UserError: No task has that name, or two of its scorers compute a metric of the same name.
    """
    TASKS.get(name)
    found: dict[str, Metric] = {}
    for scorer in _scorers(name).values():
        for metric in scorer.metrics:
            if metric.name in found:
                raise UserError(f"metric: two scorers of {name} compute '{metric.name}'; give one another name")
            found[metric.name] = metric
    return tuple(found.values())


def scorer(task: Task, categories: Sequence[Category]) -> Scorers:
    """What scores the predictions of a task by all of its metrics.

    Args:
        task: With its settings.
        categories: Of the data set.
    """
    return Scorers({name: scorer(task, categories) for name, scorer in _scorers(task.name).items()})


def _scorers(task: str) -> dict[str, type[Scorer]]:
    return {name: METRICS.get(name) for name in METRICS.names() if name.startswith(f"{task}/")}
