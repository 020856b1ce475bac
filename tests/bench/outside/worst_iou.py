"""A metric: the intersection over union of the worst class."""

from collections.abc import Sequence

import torch
from torch import Tensor

from hourglass.bench.datasets import Category, Sample
from hourglass.bench.tasks import METRICS, Metric, Task, Values


@METRICS.register("semantic-segmentation/worst_iou")
class WorstIoU:
    metrics = (Metric("worst_iou", "worst IoU", "fraction", True, "intersection / union of the worst class"),)

    def __init__(self, task: Task, categories: Sequence[Category]) -> None:
        self.intersections = torch.zeros(len(categories), dtype=torch.int64)
        self.unions = torch.zeros(len(categories), dtype=torch.int64)

    def add(self, prediction: Tensor, sample: Sample) -> None:
        for label in range(len(self.unions)):
            found, true = prediction == label, sample.target == label
            self.intersections[label] += (found & true).sum()
            self.unions[label] += (found | true).sum()

    def values(self) -> Values:
        return {"worst_iou": (self.intersections / self.unions).min().item()}

    def state(self) -> list[list[int]]:
        return [self.intersections.tolist(), self.unions.tolist()]

    def merge(self, state: list[list[int]]) -> None:
        self.intersections += torch.tensor(state[0])
        self.unions += torch.tensor(state[1])
