"""Images whose targets are what the untouched model predicts for them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hourglass.bench import tasks
from hourglass.bench.datasets import Category, Dataset, Sample
from hourglass.bench.measuring.running import Runner, to_float


@dataclass(frozen=True)
class UntouchedTargets:
    """A data set without labels of its own, for a task that compares a model with what it was.

    Attributes:
        images: Whose own targets nobody looks at.
        runner: The untouched model.
        task: Makes predictions of its output.
    """

    images: Dataset
    runner: Runner
    task: tasks.Task

    @property
    def name(self) -> str:
        """Of the data set."""
        return self.images.name

    @property
    def split(self) -> str:
        """Of the data set."""
        return self.images.split

    @property
    def categories(self) -> tuple[Category, ...]:
        """By label."""
        return self.images.categories

    @property
    def fingerprint(self) -> str:
        """Of the images and their own targets."""
        return self.images.fingerprint

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Sample:
        sample = self.images[index]
        output = self.runner(to_float(sample.image[None].to(self.runner.device)))
        size = sample.image.shape[1], sample.image.shape[2]
        (target,) = self.task.predict(output, [size], self.categories)
        return replace(sample, target=target.cpu())
