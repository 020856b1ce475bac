"""The five tasks by name, each with its predictions, metrics and files."""

from __future__ import annotations

from typing import Any

from hourglass.registry import Registry
from hourglass.tasks.base import Detections, Scorer, Task, Values, Writer
from hourglass.tasks.metric import Metric

__all__ = ["Detections", "Metric", "Scorer", "Task", "Values", "Writer", "get", "names"]

_TASKS: Registry[type[Task]] = Registry(
    "task",
    {
        "semantic-segmentation": "hourglass.tasks.semantic:SemanticSegmentation",
        "depth-estimation": "hourglass.tasks.depth:DepthEstimation",
        "object-detection": "hourglass.tasks.detection:ObjectDetection",
        "instance-segmentation": "hourglass.tasks.detection:InstanceSegmentation",
        "panoptic-segmentation": "hourglass.tasks.panoptic:PanopticSegmentation",
    },
)


def names() -> list[str]:
    """Names of all tasks."""
    return _TASKS.names()


def get(name: str, **settings: Any) -> Task:
    """A task.

    Args:
        name: One of `names`.
        **settings: What differs from its published protocol: thresholds and ranges, see the task's class.

    Raises:
        UserError: No task has that name.
    """
    return _TASKS.get(name)(**settings)
