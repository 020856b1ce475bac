"""One image, one model, with and without the hourglass: what changes, and how long each takes."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn

from hourglass import acceleration
from hourglass.acceleration.clustering import watched
from hourglass.acceleration.plan import Plan
from hourglass.bench import datasets, models, pictures, tasks
from hourglass.bench.datasets.base import Category
from hourglass.bench.datasets.rasters import read_image
from hourglass.bench.measuring.running import to_float
from hourglass.bench.measuring.speed import LATENCY, cpu_timer, interleave
from hourglass.bench.measuring.statistics import median_interval, paired_ratio
from hourglass.bench.models import hub
from hourglass.bench.suites import suite as suites
from hourglass.registry import UserError


@dataclass(frozen=True)
class Comparison:
    """What `compare` found out about one image.

    Attributes:
        image: (3, H, W) uint8 RGB.
        labels: (rows, columns): the cluster of each token.
        predictions: Of the untouched and of the accelerated model.
        milliseconds: Median latency of the two at batch 1.
        speedup: Median of the ratio, run by run.
    """

    image: Tensor
    labels: NDArray[np.int64]
    predictions: tuple[Any, Any]
    milliseconds: tuple[float, float]
    speedup: float


def default_model(task: str) -> str:
    """The first model that does a task, of those whose weights come with the project.

    Raises:
        UserError: There is no such task, or no such model.
    """
    tasks.get(task)
    for name in models.names():
        if (card := models.card(name)).shipped and task in card.tasks:
            return name
    raise UserError(f"model: none that comes with the project does {task}; give --model")


def default_plan(model: str, task: str) -> Plan:
    """The plan of a suite in which this model does this task: its second, neither mild nor extreme.

    Raises:
        UserError: No suite has the model, so a plan must be given.
    """
    for suite in suites.names():
        plans = [
            case.settings
            for case in suites.Suite.load(suite).cases
            if (case.model, case.task, case.method) == (model, task, "hourglass")
        ]
        if plans:
            return Plan(**plans[min(1, len(plans) - 1)])
    raise UserError(f"model: no suite has a plan for '{model}' and {task}; give --start and --clusters")


def plan(start: int, clusters: tuple[int, int], temperature: float | None) -> Plan:
    """A plan from the command line.

    Raises:
        UserError: A value is out of range.
    """
    try:
        return Plan(start, clusters, temperature=temperature)
    except ValueError as error:
        raise UserError(str(error)) from error


def open_model(name: str, task: str, data: Path) -> tuple[nn.Module, tuple[Category, ...]]:
    """A model by its name, with the categories of its labels.

    Args:
        name: Of one of the project's models, or ``owner/name`` on the hub, or a folder with such a checkpoint.
        task: What it shall do.
        data: Folder of all data, where weights are that were made of a download.

    Raises:
        UserError: There is no such model, or it cannot do the task.
    """
    if "/" in name:
        folder = Path(name).expanduser()
        model = hub.build(folder if folder.is_dir() else hub.snapshot(name), task, None, resize=True)
        return model, hub.categories_of(model)
    card = models.card(name)
    card.require(task)
    categories = datasets.categories(card.dataset) if card.dataset else ()
    return models.build(name, data, task=task, categories=categories), categories


def compare(path: Path, model: nn.Module, task: str, categories: tuple[Category, ...], plan: Plan) -> Comparison:
    """Run a model, and a copy of it with the hourglass, on an image.

    Args:
        path: Of the image.
        model: From `open_model`.
        task: What it does.
        categories: From `open_model`.
        plan: The operating point.

    Raises:
        UserError: The image cannot be read.
            The plan does not fit the model.
    """
    image = read_image(path)
    images = to_float(image[None])
    try:
        faster = acceleration.apply(deepcopy(model), plan)
    except ValueError as error:
        raise UserError(str(error)) from error

    def predict(by: nn.Module) -> Any:
        return tasks.get(task).predict(by(images), [(image.shape[-2], image.shape[-1])], categories)[0]

    with torch.inference_mode():
        before = predict(model)
        with watched() as seen:
            after = predict(faster)
        runs = {"baseline": lambda: model(images), "hourglass": lambda: faster(images)}
        seconds = interleave(runs, cpu_timer(perf_counter), LATENCY)
    baseline, hourglass = seconds["baseline"], seconds["hourglass"]
    return Comparison(
        image=image,
        labels=seen[0].labels().numpy(),
        predictions=(before, after),
        milliseconds=(1000 * median_interval(baseline).value, 1000 * median_interval(hourglass).value),
        speedup=paired_ratio(baseline, hourglass).value,
    )


def save(comparison: Comparison, task: str, categories: tuple[Category, ...], plan: Plan, output: Path) -> Path:
    """Write the comparison as one picture: image, clusters, both predictions with their times; ``output``."""
    before, after = (pictures.draw(task, comparison.image, p, categories) for p in comparison.predictions)
    rows, columns = comparison.labels.shape
    clusters = " × ".join(map(str, plan.clusters))
    panels = (
        (comparison.image.permute(1, 2, 0).numpy(), f"image: {rows} × {columns} tokens"),
        (pictures.outline(comparison.image, comparison.labels), f"{clusters} clusters after {plan.start} blocks"),
        (before, f"baseline: {comparison.milliseconds[0]:.0f} ms"),
        (after, f"hourglass: {comparison.milliseconds[1]:.0f} ms, {comparison.speedup:.2f} × as fast"),
    )
    height, width = comparison.image.shape[-2:]
    figure = Figure(figsize=(16, 16 / 4 * height / width + 0.45), layout="constrained")
    for axes, (pixels, title) in zip(figure.subplots(1, 4), panels, strict=True):
        axes.imshow(pixels, interpolation="nearest" if pixels.shape[0] < 300 else "antialiased")
        axes.set_title(title, fontsize=13)
        axes.axis("off")
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=100)
    return output
