"""Accuracy, cost and speed of a model that you have: what the workflow measures of cases, as one call."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from hourglass import methods as ways
from hourglass.acceleration import Plan
from hourglass.bench import datasets, models, tasks
from hourglass.bench.datasets import Dataset
from hourglass.bench.measuring.accuracy import measure_accuracy
from hourglass.bench.measuring.cost import measure_cost
from hourglass.bench.measuring.running import FORMATS, Runner, device_named, example, placed, reproducible
from hourglass.bench.measuring.speed import measure_speed
from hourglass.bench.models.inference import Inference, whole
from hourglass.bench.suites.case import USUAL_FORMAT, MemoryFormat, Precision
from hourglass.bench.tasks import Task

Plans = Mapping[str, Plan | Mapping[str, Any]]
BASELINE = ("baseline", "full")


def evaluate(
    model: nn.Module | str,
    dataset: Dataset | str,
    task: Task | str,
    methods: Mapping[str, Plans] | None = None,
    *,
    images: int | None = None,
    batch: int = 1,
    image_size: tuple[int, int] | None = None,
    inference: Inference | None = None,
    measurements: Collection[Literal["accuracy", "cost", "speed"]] = ("accuracy", "cost", "speed"),
    device: str = "cpu",
    precision: Precision = "float32",
    memory_format: MemoryFormat = USUAL_FORMAT,
    seed: int = 0,
    data: Path = Path("data"),
) -> list[dict[str, Any]]:
    """Measure a model untouched and by plans of methods, as the workflow measures the cases of a suite.

    Args:
        model: Takes images (B, 3, H, W), float32 in [0, 1], and returns what `tasks.Task.predict` takes. It stays as it
            is; copies are measured. Or the name of a model.
        dataset: With targets of the task, or the name of a data set that is prepared.
        task: With its settings, or its name.
        methods: Plans by method and name, such as ``{"hourglass": {"mild": Plan(6, (20, 20))}}``.
        images: How many of the data are used for accuracy, from the first on; None for all.
        batch: Images per forward pass for accuracy and throughput.
        image_size: Height and width of the images it is timed on, and its cost counted; None for those of the model's
            card or of the first image.
        inference: How images go through the model for accuracy; None as its card says, or as they are.
        measurements: What to measure.
        device: Where to run.
        precision: The lowest that operators run in.
        memory_format: How images, feature maps and the weights of convolutions lie in memory.
        seed: Of everything random.
        data: Folder of all data, for names.

    Returns:
        A row for the baseline and one for each plan: ``method``, ``plan``, ``settings``, and the measured quantities by
        the names of `quantities`. ``pandas.DataFrame`` takes them.

    Raises:
        UserError: A name is unknown, data or weights are missing, or a plan does not fit the model.
    """
    where = device_named(device)
    judged = _task(task, dataset)
    split = datasets.open_split(dataset, judged.name, root=data) if isinstance(dataset, str) else dataset
    if isinstance(model, str):
        card = models.card(model)
        card.require(judged.name)
        image_size, inference = image_size or card.image_size, inference or card.run_inference
        with reproducible(seed):
            model = models.build(model, data, task=judged.name, categories=split.categories)
    height, width = image_size or split[0].image.shape[-2:]

    rows: dict[str, dict[str, Any]] = {}
    runners: dict[str, Runner] = {}
    for method, plans in {BASELINE[0]: {BASELINE[1]: {}}, **(methods or {})}.items():
        for plan, given in plans.items():
            settings = ways.resolve(method, asdict(given) if isinstance(given, Plan) else given)
            changed = placed(ways.apply(method, deepcopy(model), settings), where, memory_format)
            name = f"{method}.{plan}"
            runners[name] = Runner(
                changed,
                where,
                getattr(torch, precision),
                inference or whole,
                memory_format=FORMATS[memory_format],
            )
            rows[name] = {"method": method, "plan": plan, "settings": settings}

    def batch_of(count: int) -> torch.Tensor:
        return example((height, width), count, split)

    for name, runner in runners.items():
        if "accuracy" in measurements:
            found = measure_accuracy(runner, split, judged, images=images, batch=batch, seed=seed)
            rows[name].update(found["values"])
        if "cost" in measurements:
            rows[name].update(
                measure_cost(runner.as_is(), example((height, width), 1, seed=seed).to(where), seed=seed)["values"]
            )
    timed = {name: runner.as_is() for name, runner in runners.items()}
    baseline = timed.pop(".".join(BASELINE))
    if "speed" in measurements and timed:
        for name, result in measure_speed(baseline, timed, batch_of, batch, seed=seed).items():
            rows[name].update(result["values"])
    return list(rows.values())


def _task(task: Task | str, dataset: Dataset | str) -> Task:
    if not isinstance(task, str):
        return task
    return tasks.get(task, **(datasets.DATASETS.get(dataset).settings(task) if isinstance(dataset, str) else {}))
