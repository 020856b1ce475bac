"""Stands in for `hourglass.bench.tasks`: one task with one metric."""

from __future__ import annotations

import hourglass

__path__ = [f"{path}/bench/tasks" for path in hourglass.__path__]  # how a metric is declared needs no stand-in


def names() -> list[str]:
    return ["semantic-segmentation"]


def metrics(name: str) -> tuple[object, ...]:
    from hourglass.bench.tasks.metric import Metric

    return (Metric("miou", "mIoU", "fraction", True, "mean intersection over union"),)
