"""How good a case's predictions are: one deterministic pass over the evaluation split, in one piece or in shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.progress import track
from torch import Tensor

from hourglass.bench import datasets, models, tasks
from hourglass.bench.datasets import Category, Dataset, Sample
from hourglass.bench.measuring.running import Runner, build, device_named, reproducible, threads, to_float
from hourglass.bench.measuring.types import WHOLE, Partial, Result, Shard
from hourglass.bench.suites.suite import Case
from hourglass.registry import UserError

THREADS = 1
"""More would add up numbers in another order, and results would depend on the number of cores."""


def accuracy(case: Case, data_root: Path, *, device: str = "cpu", predictions: Path | None = None) -> Result:
    """Measure a case's metrics, as the model's card and the data set say they are to be measured.

    Args:
        case: What to measure.
        data_root: Folder of the prepared data sets.
        device: Where to run.
        predictions: Folder to save all predictions in, in the task's standard format; None saves none.

    Raises:
        UserError: The data set is not prepared, or has fewer images than the case asks for.
    """
    scorer, partial = _score(case, data_root, WHOLE, device, predictions)
    return {"values": scorer.values(), "samples": partial["samples"], "conditions": partial["conditions"]}


def accuracy_of_shard(case: Case, data_root: Path, shard: Shard, *, device: str = "cpu") -> Partial:
    """Count one shard of a case's images, for `merged` to make metrics of.

    Args:
        case: What to measure.
        data_root: Folder of the prepared data sets.
        shard: Which part of the images.
        device: Where to run.

    Raises:
        UserError: As `accuracy`.
    """
    return _score(case, data_root, shard, device, None)[1]


def merged(task: str, partials: Sequence[Partial]) -> Result:
    """What `accuracy` measures, to the last digit, from all shards of a case in their order.

    Args:
        task: Name of the case's task.
        partials: Of one data set under one set of conditions.
    """
    scorer = tasks.get(task).scorer([Category(*category) for category in partials[0]["categories"]])
    for partial in partials:
        scorer.merge(partial["state"])
    images = sum(partial["samples"]["images"] for partial in partials)
    return {"values": scorer.values(), "samples": {"images": images}, "conditions": partials[0]["conditions"]}


def evaluate(
    runner: Runner,
    data: Dataset,
    task: tasks.Task,
    images: range,
    batch: int,
    *,
    seed: int = 0,
    predictions: Path | None = None,
) -> tasks.Scorer:
    """Score a runner on some images of a data set.

    Args:
        runner: Makes the task's output from images.
        data: With the task's targets.
        task: Turns outputs into predictions and scores them.
        images: Indices.
        batch: Images per forward pass, at most. A batch starts at every multiple of it, so that it is the same in
            every shard, and at every image of another size.
        seed: Of models that are random; with the index of its first image, it is a batch's own.
        predictions: As for `accuracy`.
    """
    scorer = task.scorer(data.categories)
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


def _score(
    case: Case, data_root: Path, shard: Shard, device: str, predictions: Path | None
) -> tuple[tasks.Scorer, Partial]:
    data = datasets.load(case.dataset, case.task, root=data_root)
    count = len(data) if case.images is None else case.images
    if count > len(data):
        raise UserError(f"images: {count} asked for, but the {data.split} split of '{data.name}' has {len(data)}")
    images = shard.images(count, case.batch)
    task = tasks.get(case.task, **datasets.settings(case.dataset, case.task))
    with threads(THREADS), reproducible(case.seed):
        runner = replace(build(case, device_named(device)), inference=models.card(case.model).inference)
        scorer = evaluate(runner, data, task, images, case.batch, seed=case.seed, predictions=predictions)
        attention = runner.attention(_batch([data[0]], runner))
    return scorer, {
        "state": scorer.state(),
        "categories": [astuple(category) for category in data.categories],
        "samples": {"images": len(images)},
        "conditions": {"device": device, "threads": THREADS, "attention": attention, "data": data.fingerprint},
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
