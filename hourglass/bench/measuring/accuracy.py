"""How good a case's predictions are: one deterministic pass over the evaluation split, in one piece or in shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import astuple, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.progress import track
from torch import Tensor

from hourglass.acceleration.clustering import Clusters, watched
from hourglass.bench import tasks
from hourglass.bench.datasets import Category, Dataset, Sample
from hourglass.bench.measuring.album import Album, spread
from hourglass.bench.measuring.running import Runner, reproducible, threads, to_float
from hourglass.bench.measuring.types import WHOLE, Partial, Result, Shard
from hourglass.registry import UserError

View = tuple[Dataset, tasks.Task]
"""Images with the targets of a task, and the task."""

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
    (result,) = measure_accuracies(
        runner, [(data, task)], images=images, batch=batch, seed=seed, predictions=[predictions]
    )
    return result


def measure_accuracies(
    runner: Runner,
    views: Sequence[View],
    *,
    images: int | None = None,
    batch: int = 1,
    seed: int = 0,
    predictions: Sequence[Path | None] | None = None,
    gallery: bool = False,
) -> list[Result]:
    """As `measure_accuracy`, of several tasks whose output is the same: the images go through the model once.

    Args:
        runner: Makes the output of all tasks from images.
        views: The same images with the targets of each task, and the task.
        images: As for `measure_accuracy`.
        batch: As for `measure_accuracy`.
        seed: As for `measure_accuracy`.
        predictions: A folder for each task; None saves none.
        gallery: Whether a few of the images are kept with their predictions. It changes no value.

    Raises:
        UserError: As `measure_accuracy`.
    """
    scored = _scored(runner, views, WHOLE, images, batch, seed, predictions or [None] * len(views), gallery)
    return [_result(scorer, [partial]) for scorer, partial in scored]


def without_unit(model: object) -> str | None:
    """Why a model's accuracy means nothing, in one line: its depth is relative. None if it does mean something."""
    if not getattr(model, "relative_depth", False):
        return None
    return (
        "model: its depth is relative and has no unit, but the metrics are in metres: choose a model of metric depth, "
        "or leave accuracy out"
    )


def measure_shard(
    runner: Runner,
    data: Dataset,
    task: tasks.Task,
    shard: Shard,
    *,
    images: int | None = None,
    batch: int = 1,
    seed: int = 0,
    gallery: bool = False,
) -> Partial:
    """Count one shard of the images, for `merged` to make metrics of; the arguments are those of `measure_accuracies`.

    Raises:
        UserError: As `measure_accuracy`.
    """
    ((_, partial),) = _scored(runner, [(data, task)], shard, images, batch, seed, [None], gallery)
    return partial


def merged(task: str, partials: Sequence[Partial]) -> Result:
    """What `measure_accuracy` measures, to the last digit, from all shards of a case in their order.

    Args:
        task: Name of the case's task.
        partials: Of one data set under one set of conditions.
    """
    scorer = tasks.scorer(tasks.get(task), [Category(*category) for category in partials[0]["categories"]])
    for partial in partials:
        scorer.merge(partial["state"])
    return _result(scorer, partials)


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
    (scorer,) = _score(runner, [(data, task)], images, batch, seed, [predictions], [None])
    return scorer


def _score(
    runner: Runner,
    views: Sequence[View],
    images: range,
    batch: int,
    seed: int,
    predictions: Sequence[Path | None],
    albums: Sequence[Album | None],
) -> list[tasks.Scorers]:
    scorers = [tasks.scorer(task, data.categories) for data, task in views]
    writers = [
        None if folder is None else task.writer(folder, data.categories)
        for (data, task), folder in zip(views, predictions, strict=True)
    ]
    with torch.inference_mode():
        for indices, shown in _batches(views[0][0], images, batch):
            torch.manual_seed(seed + indices.start)
            sizes = [(sample.image.shape[1], sample.image.shape[2]) for sample in shown]
            kept = any(album is not None and album.wants(indices) for album in albums)
            seen: AbstractContextManager[Sequence[Clusters]] = watched() if kept else nullcontext(())
            with seen as clusters:
                output = runner(_batch(shown, runner))
            for (data, task), scorer, writer, album in zip(views, scorers, writers, albums, strict=True):
                samples = shown if data is views[0][0] else [data[index] for index in indices]
                found = [_on_cpu(prediction) for prediction in task.predict(output, sizes, data.categories)]
                for prediction, sample in zip(found, samples, strict=True):
                    scorer.add(prediction, sample)
                    if writer is not None:
                        writer.add(prediction, sample)
                if album is not None:
                    album.add(indices, samples, found, _of_whole_images(clusters, len(shown)))
    for writer in writers:
        if writer is not None:
            writer.close()
    return scorers


def _scored(
    runner: Runner,
    views: Sequence[View],
    shard: Shard,
    images: int | None,
    batch: int,
    seed: int,
    predictions: Sequence[Path | None],
    gallery: bool,
) -> list[tuple[tasks.Scorers, Partial]]:
    if why := without_unit(runner.model):
        raise UserError(why)
    data = views[0][0]
    count = len(data) if images is None else images
    if count > len(data):
        raise UserError(f"images: {count} asked for, but the {data.split} split of '{data.name}' has {len(data)}")
    indices = shard.images(count, batch)
    albums = [Album(task, data.categories, spread(count)) if gallery else None for data, task in views]
    with threads(THREADS), reproducible(seed):
        scorers = _score(runner, views, indices, batch, seed, predictions, albums)
        attention = runner.attention(_batch([data[0]], runner))
    scored = []
    for (data, _), scorer, album in zip(views, scorers, albums, strict=True):
        partial: Partial = {
            "state": scorer.state(),
            "categories": [astuple(category) for category in data.categories],
            "samples": {"images": len(indices)},
            "conditions": runner.conditions(threads=THREADS, attention=attention, data=data.fingerprint),
        }
        if album is not None:
            partial["gallery"] = album.entries
        scored.append((scorer, partial))
    return scored


def _result(scorer: tasks.Scorers, partials: Sequence[Partial]) -> Result:
    """Of the scorer that has counted all that the partials have."""
    found: Result = {
        "values": scorer.values(),
        "samples": {"images": sum(partial["samples"]["images"] for partial in partials)},
        "conditions": partials[0]["conditions"],
    }
    if "gallery" in partials[0]:
        found["gallery"] = [entry for partial in partials for entry in partial.get("gallery", [])]
    return found


def _of_whole_images(clusters: Sequence[Clusters], batch: int) -> Clusters | None:
    """The clusters of a batch, if its images went through the model in one piece, and once."""
    return clusters[0] if len(clusters) == 1 and len(clusters[0].small) == batch else None


def _batches(data: Dataset, images: range, batch: int) -> Iterator[tuple[range, list[Sample]]]:
    """Batches, each with the indices of its images."""
    waiting: list[Sample] = []
    for index in track(images, f"{data.name}/{data.split}", transient=True):
        sample = data[index]
        if waiting and (index % batch == 0 or sample.image.shape != waiting[0].image.shape):
            yield range(index - len(waiting), index), waiting
            waiting = []
        waiting.append(sample)
    if waiting:
        yield range(images.stop - len(waiting), images.stop), waiting


def _batch(samples: Sequence[Sample], runner: Runner) -> Tensor:
    return to_float(torch.stack([sample.image for sample in samples]).to(runner.device))


def _on_cpu(prediction: Any) -> Any:
    if isinstance(prediction, Tensor):
        return prediction.cpu()
    if is_dataclass(prediction) and not isinstance(prediction, type):
        return replace(prediction, **{f.name: _on_cpu(getattr(prediction, f.name)) for f in fields(prediction)})
    return prediction
