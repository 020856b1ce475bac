"""How good a case's predictions are: one deterministic pass over the evaluation split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.progress import track
from torch import Tensor

from hourglass import datasets, tasks
from hourglass.datasets import Dataset, Sample
from hourglass.errors import UserError
from hourglass.measure.running import Runner, build, device_named, reproducible, threads, to_float
from hourglass.measure.types import Case, Measured

THREADS = 1
"""More would add up numbers in another order, and results would depend on the number of cores."""


def accuracy(case: Case, data_root: Path, *, device: str = "cpu", predictions: Path | None = None) -> Measured:
    """Measure a case's metrics.

    Args:
        case: What to measure.
        data_root: Folder of the prepared data sets.
        device: Where to run.
        predictions: Folder to save all predictions in, in the task's standard format; None saves none.

    Raises:
        UserError: The data set is not prepared, or has fewer images than the case asks for.
    """
    data = datasets.load(case.dataset, case.task, root=data_root)
    count = len(data) if case.images is None else case.images
    if count > len(data):
        raise UserError(f"images: {count} asked for, but the {data.split} split of '{data.name}' has {len(data)}")
    with threads(THREADS), reproducible(case.seed):
        runner = build(case, device_named(device))
        values = evaluate(runner, data, tasks.get(case.task), count, case.batch, predictions)
        attention = runner.attention(_batch([data[0]], runner))
    return {
        "values": values,
        "samples": {"images": count},
        "conditions": {"device": device, "threads": THREADS, "attention": attention, "data": data.fingerprint},
    }


def evaluate(
    runner: Runner, data: Dataset, task: tasks.Task, count: int, batch: int, predictions: Path | None = None
) -> tasks.Values:
    """Metrics of a runner on the first ``count`` images of a data set.

    Args:
        runner: Makes the task's output from images.
        data: With the task's targets.
        task: Turns outputs into predictions and scores them.
        count: Number of images.
        batch: Images per forward pass, at most; images of another size start a new batch.
        predictions: As for `accuracy`.
    """
    scorer = task.scorer(data.categories)
    writer = None if predictions is None else task.writer(predictions, data.categories)
    with torch.inference_mode():
        for samples in _batches(data, count, batch):
            sizes = [(sample.image.shape[1], sample.image.shape[2]) for sample in samples]
            output = runner(_batch(samples, runner))
            for prediction, sample in zip(task.predict(output, sizes, data.categories), samples, strict=True):
                found = _on_cpu(prediction)
                scorer.add(found, sample)
                if writer is not None:
                    writer.add(found, sample)
    if writer is not None:
        writer.close()
    return scorer.values()


def _batches(data: Dataset, count: int, batch: int) -> Iterator[list[Sample]]:
    waiting: list[Sample] = []
    for index in track(range(count), f"{data.name}/{data.split}", transient=True):
        sample = data[index]
        if waiting and (len(waiting) == batch or sample.image.shape != waiting[0].image.shape):
            yield waiting
            waiting = []
        waiting.append(sample)
    if waiting:
        yield waiting


def _batch(samples: Sequence[Sample], runner: Runner) -> Tensor:
    return to_float(torch.stack([sample.image for sample in samples]).to(runner.device))


def _on_cpu(prediction: Any) -> Any:
    if isinstance(prediction, Tensor):
        return prediction.cpu()
    if is_dataclass(prediction) and not isinstance(prediction, type):
        return replace(prediction, **{f.name: _on_cpu(getattr(prediction, f.name)) for f in fields(prediction)})
    return prediction
