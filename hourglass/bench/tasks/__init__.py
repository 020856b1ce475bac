"""The five tasks by name, each with its predictions, metrics and files."""

from __future__ import annotations

from typing import Any

from hourglass.bench.tasks.base import Detections, Scorer, Task, Values, Writer
from hourglass.bench.tasks.metric import Metric
from hourglass.registry import Registry

__all__ = ["Detections", "Metric", "Scorer", "Task", "Values", "Writer", "get", "names"]

TASKS: Registry[type[Task]] = Registry(
    "task",
    {
        "semantic-segmentation": "hourglass.bench.tasks.semantic:SemanticSegmentation",
        "depth-estimation": "hourglass.bench.tasks.depth:DepthEstimation",
        "object-detection": "hourglass.bench.tasks.detection:ObjectDetection",
        "instance-segmentation": "hourglass.bench.tasks.detection:InstanceSegmentation",
        "panoptic-segmentation": "hourglass.bench.tasks.panoptic:PanopticSegmentation",
    },
)


def names() -> list[str]:
    """Names of all tasks."""
    return TASKS.names()


def get(name: str, **settings: Any) -> Task:
    """A task.

    Args:
        name: One of `names`.
        **settings: What differs from its published protocol: thresholds and ranges, see the task's class.

    Raises:
        UserError: No task has that name.
    """
    return TASKS.get(name)(**settings)
