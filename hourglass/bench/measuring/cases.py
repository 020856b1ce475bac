"""Measuring the cases of suites: names become models, data sets and tasks, and those are measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from hourglass import methods
from hourglass.bench import backends, datasets, models, tasks
from hourglass.bench.datasets import Dataset
from hourglass.bench.measuring.accuracy import View, measure_accuracies, measure_shard, without_unit
from hourglass.bench.measuring.cost import measure_cost
from hourglass.bench.measuring.running import (
    FORMATS,
    Runner,
    device_named,
    example,
    placed,
    reproducible,
    weights_digest,
)
from hourglass.bench.measuring.speed import LATENCY, THROUGHPUT, measure_speed
from hourglass.bench.measuring.types import Partial, Result, Shard
from hourglass.bench.measuring.untouched import UntouchedTargets
from hourglass.bench.models import weights
from hourglass.bench.models.inference import Inference, whole
from hourglass.bench.suites.case import BASELINE, Case
from hourglass.bench.suites.suite import Timing
from hourglass.registry import UserError


def forward_pass(case: Case) -> str:
    """What a model's outputs depend on: cases that share it have the same ones, whatever is made of them.

    A model that is adapted to a task has outputs of its own for each.
    """
    task = case.task if models.card(case.model).adaptable else ""
    return task + case.model_dump_json(exclude={"suite", "suite_version", "task", "plan"})


def timed_with(case: Case) -> str:
    """What the baseline that a case is timed beside depends on: cases that share it are timed together."""
    usual: dict[str, object] = {"method": BASELINE, "settings": {}, "images": None, "scored": True, "timed": True}
    return forward_pass(case.model_copy(update=usual))


def accuracy(case: Case, data: Path, *, device: str = "cpu", predictions: Path | None = None) -> Result:
    """Measure a case's metrics, as the model's card and the data set say they are to be measured.

    Args:
        case: What to measure.
        data: Folder of all data.
        device: Where to run.
        predictions: Folder to save all predictions in, in the task's standard format; None saves none.

    Raises:
        UserError: A name is unknown, weights or data are missing, or the settings do not fit.
    """
    return accuracies([case], data, device=device, predictions=[predictions])[case.id]


def accuracies(
    cases: Sequence[Case], data: Path, *, device: str = "cpu", predictions: Sequence[Path | None] | None = None
) -> dict[str, Result]:
    """As `accuracy`, of cases with the same outputs: the images go through the model once.

    Args:
        cases: That share `forward_pass`.
        data: Folder of all data.
        device: Where to run.
        predictions: A folder for each case; None saves none.

    Raises:
        UserError: As `accuracy`.
        ValueError: The cases differ in more than their task.
    """
    if len(set(map(forward_pass, cases))) != 1:
        raise ValueError("cases: must not differ in more than their task")
    first = cases[0]
    found = measure_accuracies(
        _evaluated(first, device, data),
        [_view(case, device, data) for case in cases],
        images=first.images,
        batch=first.batch,
        seed=first.seed,
        predictions=predictions,
        gallery=True,
    )
    return {case.id: result for case, result in zip(cases, found, strict=True)}


def accuracy_of_shard(case: Case, data: Path, shard: Shard, *, device: str = "cpu") -> Partial:
    """Count one shard of a case's images, for `hourglass.bench.measuring.merged` to make metrics of.

    Raises:
        UserError: As `accuracy`.
    """
    images, task = _view(case, device, data)
    runner = _evaluated(case, device, data)
    return measure_shard(
        runner, images, task, shard, images=case.images, batch=case.batch, seed=case.seed, gallery=True
    )


def cost(case: Case, data: Path, *, device: str | None = None) -> Result:
    """Count what a case costs for one image of the size the model is timed on.

    Args:
        case: What to measure.
        data: Folder of all data, where weights are.
        device: Where to run; None for the CPU, and for a model whose weights do not come with the project for the meta
            device, where operations are counted without being computed. Other frameworks' models cannot run there; nor
            can models that look at numbers, as a choice of boxes does, which run on the CPU with random weights.

    Raises:
        UserError: As `accuracy`.
    """
    card = models.card(case.model)
    if device is None and card.artifact and not card.backend:
        try:
            return _counted(case, torch.device("meta"), data, trained=False)
        except NotImplementedError:
            return _counted(case, torch.device("cpu"), data, trained=False)
    where = device_named(device or "cpu")
    return _counted(case, where, data, trained=where.type != "meta")


def _counted(case: Case, device: torch.device, data: Path, *, trained: bool) -> Result:
    size = models.card(case.model).image_size
    runner = _built(case, device, data, trained=trained)
    return measure_cost(runner, example(size, 1, seed=case.seed).to(device), seed=case.seed)


def costs(cases: Sequence[Case], data: Path, *, device: str | None = None) -> dict[str, Result]:
    """As `cost`, of cases that share `forward_pass`: they are counted once."""
    return dict.fromkeys((case.id for case in cases), cost(cases[0], data, device=device))


def speed(
    cases: Sequence[Case], data: Path, *, device: str = "cpu", timing: Timing | None = None
) -> dict[str, Result | UserError]:
    """Time cases beside the baseline that they share, on images of the data set; those with the same outputs once.

    Args:
        cases: Plans of one model on one data set, for one task or several.
        data: Folder of all data.
        device: Where to run.
        timing: How long; None for the default.

    Returns:
        By the id of the case: the result, or why its method cannot be applied to the model.

    Raises:
        UserError: As `accuracy`, of the baseline.
        ValueError: The cases do not share a baseline.
    """
    if len(set(map(timed_with, cases))) != 1:
        raise ValueError("cases: must share their baseline")
    timing = timing or Timing()
    first, where, images = cases[0], device_named(device), _data(cases[0], data)
    size = models.card(first.model).image_size
    baseline = _built(first, where, data, "baseline")
    timed_as: dict[str, str] = {}
    for case in cases:
        timed_as.setdefault(forward_pass(case), case.id)
    runners: dict[str, Runner] = {}
    found: dict[str, Result | UserError] = {}
    for case in cases:
        if timed_as[forward_pass(case)] != case.id:
            continue
        try:
            runners[case.id] = _built(case, where, data)
        except UserError as error:
            found[case.id] = error
    if runners:
        timed = measure_speed(
            baseline,
            runners,
            lambda batch: example(size, batch, images),
            first.batch,
            data=images.fingerprint,
            seed=first.seed,
            latency=replace(LATENCY, seconds=timing.latency, rounds=timing.rounds),
            throughput=replace(THROUGHPUT, seconds=timing.throughput, rounds=min(THROUGHPUT.rounds, timing.rounds)),
        )
        found.update(timed)
    return {case.id: found[timed_as[forward_pass(case)]] for case in cases}


def obstacle(case: Case, data: Path) -> str | None:
    """Why a case cannot be measured, in one line; None if it can, or if that cannot be told here.

    The method is applied to the model on the meta device, which then runs on an image of the size it is timed on:
    shapes are computed, numbers are not. The method has to fit the model, and the model the data set.

    Args:
        case: Of a suite.
        data: Folder of all data.
    """
    card = models.card(case.model)
    if card.adaptable or (card.backend and backends.missing(card.backend)):
        return None
    where = torch.device("meta")
    try:
        runner = _built(case, where, data, trained=False)
        if case.scored and (why := without_unit(runner.model)):
            return why
        images = torch.empty(1, 3, *card.image_size, device=where)
        output = runner(images)
        if case.scored and isinstance(output, torch.Tensor):
            _task(case).predict(output, [card.image_size], datasets.DATASETS.get(case.dataset).categories)
    except (NotImplementedError, RuntimeError):  # an operator that needs numbers, as the choice of boxes does
        return None
    except ValueError as error:
        return " ".join(str(error).split())
    return None


def _data(case: Case, data: Path) -> Dataset:
    return datasets.open_split(case.dataset, case.task, root=data)


def _view(case: Case, device: str, data: Path) -> View:
    """A case's images with their targets, and its task."""
    images, task = _data(case, data), _task(case)
    if getattr(task, "targets_of_untouched_model", False):
        untouched = case.model_copy(update={"method": BASELINE, "settings": {}})
        return UntouchedTargets(images, _evaluated(untouched, device, data), task), task
    return images, task


def _task(case: Case) -> tasks.Task:
    return tasks.get(case.task, **datasets.DATASETS.get(case.dataset).settings(case.task))


def _evaluated(case: Case, device: str, data: Path) -> Runner:
    return _built(case, device_named(device), data, inference=models.card(case.model).run_inference)


def _built(
    case: Case,
    device: torch.device,
    data: Path,
    method: str | None = None,
    inference: Inference = whole,
    *,
    trained: bool = True,
) -> Runner:
    """The case's model, changed by its method, or by another one without settings."""
    with reproducible(case.seed):
        model, digest = _model(case, data) if trained else _untrained(case, device)
        model = methods.apply(method or case.method, model, {} if method else case.settings)
    whole_model, precision = placed(model, device, case.memory_format), getattr(torch, case.precision)
    return Runner(whole_model, device, precision, inference, digest, FORMATS[case.memory_format])


def _model(case: Case, data: Path) -> tuple[nn.Module, str]:
    """With its weights, and their digest."""
    categories = datasets.DATASETS.get(case.dataset).categories
    model = models.build(case.model, data, task=case.task, categories=categories)
    return model, _weights(case, model, data)


def _untrained(case: Case, device: torch.device) -> tuple[nn.Module, None]:
    build = models.build_meta if device.type == "meta" else models.build_untrained
    return build(case.model), None


def _weights(case: Case, model: nn.Module, data: Path) -> str:
    files = models.card(case.model).existing_files(data)
    return weights.sha256(*files) if files else weights_digest(model)
