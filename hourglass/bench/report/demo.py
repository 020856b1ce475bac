"""One image, one model, with and without the hourglass: what changes, and how long each takes."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from statistics import median
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
from hourglass.bench.measuring.rounds import BASELINE, TimingBudget, cpu_timer, interleave, speedup
from hourglass.bench.measuring.running import to_float
from hourglass.bench.models import hub
from hourglass.bench.storage.files import one_line
from hourglass.bench.suites import suite as suites
from hourglass.methods import Settings
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
    """The first model with a plan for a task, of those whose weights come with the project.

    Raises:
        UserError: There is no such task, or no such model.
    """
    tasks.get(task)
    for name in models.MODELS.names():
        if (card := models.card(name)).shipped and not card.artifact and task in card.tasks and _plans(name, task):
            return name
    raise UserError(f"model: none that comes with the project does {task}; give --model")


def default_plan(model: str, task: str) -> Plan:
    """The plan of a suite in which this model does this task: its second, neither mild nor extreme.

    Raises:
        UserError: No suite has the model, so a plan must be given.
    """
    if plans := _plans(model, task):
        return Plan(**plans[min(1, len(plans) - 1)])
    raise UserError(f"model: no suite has a plan for '{model}' and {task}; give --start and --clusters")


def _plans(model: str, task: str) -> Sequence[Settings]:
    """The settings of the hourglass for a model and a task, in the first suite that has any."""
    wanted = model, task, "hourglass"
    for suite in suites.names():
        cases = suites.Suite.read(suite).cases
        if plans := [case.settings for case in cases if (case.model, case.task, case.method) == wanted]:
            return plans
    return []


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
    categories = datasets.DATASETS.get(card.dataset).categories if card.dataset else ()
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
            The plan does not fit the model, or neither of them the image.
    """
    image = read_image(path)
    images = to_float(image[None])
    size = image.shape[-2], image.shape[-1]
    try:
        faster = acceleration.apply(deepcopy(model), plan)
    except ValueError as error:
        raise UserError(str(error)) from error

    def predict(by: nn.Module) -> Any:
        output = by(images)
        if getattr(model, "relative_depth", False):
            return depth_of_inverse(output[0].float())
        return tasks.get(task).predict(output, [size], categories)[0]

    with torch.inference_mode():
        try:
            before = predict(model)
            with watched() as seen:
                after = predict(faster)
        except (ValueError, RuntimeError) as error:
            if isinstance(error, UserError):
                raise
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise UserError(f"{path}: {size[1]} x {size[0]} pixels do not suit model and plan: {reason}") from error
        runs = {BASELINE: lambda: model(images), "hourglass": lambda: faster(images)}
        seconds = interleave(runs, cpu_timer(), TimingBudget())
    return Comparison(
        image=image,
        labels=seen[0].labels().numpy(),
        predictions=(before, after),
        milliseconds=(1000 * median(seconds[BASELINE]), 1000 * median(seconds["hourglass"])),
        speedup=speedup(seconds, "hourglass").value,
    )


def depth_of_inverse(inverse: Tensor) -> Tensor:
    """(H, W) depths from 1 to 20, in no unit, of an inverse depth that is known up to a factor and a summand.

    Near and far are right, and so is the order; how far is not known.
    """
    low, high = inverse.min(), inverse.max()
    return 1 / (0.05 + 0.95 * (inverse - low) / (high - low).clamp(min=torch.finfo().tiny))


def require_picture(output: Path) -> None:
    """Make sure that a picture can be written, before anything is computed for it.

    Raises:
        UserError: Its ending is that of no format, or its folder cannot be written to.
    """
    known = Figure().canvas.get_supported_filetypes()
    if output.suffix.removeprefix(".").lower() not in known:
        raise UserError(
            f"{output}: has the ending of no picture; choose one of {', '.join(f'.{each}' for each in known)}"
        )
    with one_line(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(output if output.exists() else output.parent, os.W_OK):
            raise PermissionError(errno.EACCES, "permission denied")


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
    with one_line(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(output, dpi=100)
    return output
