"""How good a case's predictions are: one deterministic pass over the evaluation split, in one piece or in shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.progress import track
from torch import Tensor

from hourglass.bench import tasks
from hourglass.bench.datasets import Category, Dataset, Sample
from hourglass.bench.measuring.running import Runner, reproducible, threads, to_float
from hourglass.bench.measuring.types import WHOLE, Partial, Result, Shard
from hourglass.registry import UserError

THREADS = 1
"""More would add up numbers in another order, and results would depend on the number of cores."""


def measure_accuracy(
    runner: Runner,
    data: Dataset,
    task: tasks.Task,
    *,
    images: int | None = None,
    batch: int = 1,
    seed: int = 0,
    predictions: Path | None = None,
) -> Result:
    """Measure the metrics of a task.

    Args:
        runner: Makes the task's output from images.
        data: With the task's targets.
        task: Turns outputs into predictions and scores them.
        images: How many of the data are used, from the first on; None for all.
        batch: Images per forward pass, at most.
        seed: Of models that are random.
        predictions: Folder to save all predictions in, in the task's standard format; None saves none.

    Raises:
        UserError: The data set has fewer images than are asked for.
    """
    scorer, partial = _scored(runner, data, task, WHOLE, images, batch, seed, predictions)
    return {"values": scorer.values(), "samples": partial["samples"], "conditions": partial["conditions"]}


def measure_shard(
    runner: Runner,
    data: Dataset,
    task: tasks.Task,
    shard: Shard,
    *,
    images: int | None = None,
    batch: int = 1,
    seed: int = 0,
) -> Partial:
    """Count one shard of the images, for `merged` to make metrics of; the arguments are those of `measure_accuracy`.

    Raises:
        UserError: As `measure_accuracy`.
    """
    return _scored(runner, data, task, shard, images, batch, seed, None)[1]


def merged(task: str, partials: Sequence[Partial]) -> Result:
    """What `measure_accuracy` measures, to the last digit, from all shards of a case in their order.

    Args:
        task: Name of the case's task.
        partials: Of one data set under one set of conditions.
    """
    scorer = tasks.scorer(tasks.get(task), [Category(*category) for category in partials[0]["categories"]])
    for partial in partials:
        scorer.merge(partial["state"])
    images = sum(partial["samples"]["images"] for partial in partials)
    return {"values": scorer.values(), "samples": {"images": images}, "conditions": partials[0]["conditions"]}


def score(
    runner: Runner,
    data: Dataset,
    task: tasks.Task,
    images: range,
    batch: int,
    *,
    seed: int = 0,
    predictions: Path | None = None,
) -> tasks.Scorers:
    """Score a runner on some images of a data set.

    Args:
        runner: As for `measure_accuracy`.
        data: As for `measure_accuracy`.
        task: As for `measure_accuracy`.
        images: Indices.
        batch: Images per forward pass, at most. A batch starts at every multiple of it, so that it is the same in
            every shard, and at every image of another size.
        seed: Of models that are random; with the index of its first image, it is a batch's own.
        predictions: As for `measure_accuracy`.
    """
    scorer = tasks.scorer(task, data.categories)
    writer = None if predictions is None else task.writer(predictions, data.categories)
    with torch.inference_mode():
        for first, samples in _batches(data, images, batch):
            torch.manual_seed(seed + first)
            sizes = [(sample.image.shape[1], sample.image.shape[2]) for sample in samples]
            output = runner(_batch(samples, runner))
            for prediction, sample in zip(task.predict(output, sizes, data.categories), samples, strict=True):
                found = _on_cpu(prediction)
                scorer.add(found, sample)
                if writer is not None:
                    writer.add(found, sample)
    if writer is not None:
        writer.close()
    return scorer


def _scored(
    runner: Runner,
    data: Dataset,
    task: tasks.Task,
    shard: Shard,
    images: int | None,
    batch: int,
    seed: int,
    predictions: Path | None,
) -> tuple[tasks.Scorers, Partial]:
    count = len(data) if images is None else images
    if count > len(data):
        raise UserError(f"images: {count} asked for, but the {data.split} split of '{data.name}' has {len(data)}")
    indices = shard.images(count, batch)
    with threads(THREADS), reproducible(seed):
        scorer = score(runner, data, task, indices, batch, seed=seed, predictions=predictions)
        attention = runner.attention(_batch([data[0]], runner))
    return scorer, {
        "state": scorer.state(),
        "categories": [astuple(category) for category in data.categories],
        "samples": {"images": len(indices)},
        "conditions": runner.conditions(threads=THREADS, attention=attention, data=data.fingerprint),
    }


def _batches(data: Dataset, images: range, batch: int) -> Iterator[tuple[int, list[Sample]]]:
    """Batches, each with the index of its first image."""
    waiting: list[Sample] = []
    for index in track(images, f"{data.name}/{data.split}", transient=True):
        sample = data[index]
        if waiting and (index % batch == 0 or sample.image.shape != waiting[0].image.shape):
            yield index - len(waiting), waiting
            waiting = []
        waiting.append(sample)
    if waiting:
        yield images.stop - len(waiting), waiting


def _batch(samples: Sequence[Sample], runner: Runner) -> Tensor:
    return to_float(torch.stack([sample.image for sample in samples]).to(runner.device))


def _on_cpu(prediction: Any) -> Any:
    if isinstance(prediction, Tensor):
        return prediction.cpu()
    if is_dataclass(prediction) and not isinstance(prediction, type):
        return replace(prediction, **{f.name: _on_cpu(getattr(prediction, f.name)) for f in fields(prediction)})
    return prediction
