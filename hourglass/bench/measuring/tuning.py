"""What plans are chosen on: a model with images that its results are not reported on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from hourglass.bench import datasets, models, tasks
from hourglass.bench.measuring.accuracy import score
from hourglass.bench.measuring.allocation import kept_memory
from hourglass.bench.measuring.running import Runner, device_named, example, reproducible, threads
from hourglass.bench.storage.cores import available_cores
from hourglass.bench.wording import counted
from hourglass.registry import UnknownNameError, UserError


@dataclass(frozen=True)
class Subject:
    """A model, a task, and labelled images.

    Attributes:
        runner: The model, in float32.
        task: What it does.
        data: The split that plans are chosen on.
        images: How many of its images are used, from the first on.
        metric: What a plan must keep.
        image_size: Height and width of the images that are timed.
    """

    runner: Runner
    task: tasks.Task
    data: datasets.Dataset
    images: int
    metric: tasks.Metric
    image_size: tuple[int, int]

    @classmethod
    def load(
        cls,
        card: models.ModelCard,
        task: str,
        dataset: str,
        split: str | None,
        images: int,
        metric: str | None,
        *,
        device: str,
        data: Path,
    ) -> Subject:
        """Build the model and prepare the split.

        Args:
            card: Of the model.
            task: That it does.
            dataset: With the task's targets.
            split: Of the data set; None for the first one that is not its evaluation split.
            images: How many; fewer if the split has no more.
            metric: Of the task; None for its first.
            device: Where the model runs.
            data: Folder of all data.

        Raises:
            UserError: Something is unknown, or does not go together.
        """
        card.require(task)
        made = tasks.get(task, **datasets.DATASETS.get(dataset).settings(task))
        metrics = tasks.metrics(task)
        known = {each.name: each for each in metrics}
        if metric is not None and metric not in known:
            raise UnknownNameError("metric", metric, list(known))
        chosen = split or datasets.tuning_split(dataset)
        datasets.prepare(dataset, root=data, split=chosen)
        loaded = datasets.open_split(dataset, task, root=data, split=chosen)
        where = device_named(device)
        model = models.build(card.name, data, task=task, categories=loaded.categories)
        runner = Runner(model.to(where), where, torch.float32, card.run_inference)
        return cls(runner, made, loaded, min(images, len(loaded)), known[metric or metrics[0].name], card.image_size)

    @property
    def words(self) -> str:
        """For people."""
        return f"{counted(self.images, one='image')} of {self.data.name}/{self.data.split} ({self.metric.title})"

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Within it, the model is timed on all cores that the process may use."""
        with threads(available_cores()), reproducible(0), kept_memory():
            yield

    def inputs(self) -> list[Tensor]:
        """Images (1, 3, H, W) of the size the model is timed on."""
        images = example(self.image_size, self.images, self.data).to(self.runner.device)
        return list(images.split(1))

    def score(self, model: nn.Module) -> float:
        """The metric, more of which is better."""
        scorer = score(replace(self.runner, model=model), self.data, self.task, range(self.images), batch=1)
        value = scorer.values()[self.metric.name]
        if value is None:
            raise UserError(f"metric: '{self.metric.name}' does not apply to these images; take more of them")
        return value if self.metric.higher_is_better else -value
