"""The command that finds plans for a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Annotated

import typer

from hourglass.bench.cli.options import DATA, RESULTS, DataOption, DeviceOption, ResultsOption
from hourglass.registry import UserError


def tune(
    model: Annotated[str, typer.Argument(help="Name of a model; `hourglass list models` shows them.")],
    task: Annotated[str | None, typer.Option(help="Task; default: the first that the model does.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Data set to choose on; default: the model's own.")] = None,
    split: Annotated[str | None, typer.Option(help="Default: one that is not the evaluation split.")] = None,
    images: Annotated[int, typer.Option(min=1, help="How many images of it, from the first on.")] = 16,
    metric: Annotated[str | None, typer.Option(help="What a plan must keep; default: the task's first metric.")] = None,
    unlabelled: Annotated[bool, typer.Option(help="Compare the model's outputs instead of its accuracy.")] = False,
    speedup: Annotated[
        float | None, typer.Option(min=1, help="Choose the plan that loses least at this speed.")
    ] = None,
    max_loss: Annotated[
        str | None, typer.Option(metavar="PERCENT", help="Choose the fastest plan that loses no more, such as 0.5%.")
    ] = None,
    budget: Annotated[float, typer.Option(min=0, help="Seconds after which no further plan is tried.")] = 300,
    device: DeviceOption = "cpu",
    data: DataOption = DATA,
    results: ResultsOption = RESULTS,
) -> None:
    """Find the plans of a model that gain most speed for what they lose; a later call continues from there."""
    from hourglass import tune as search
    from hourglass.bench import models
    from hourglass.bench.measuring.tuning import Subject

    loss = _share(max_loss)
    if speedup is not None and loss is not None:
        raise UserError("speedup: give either --speedup or --max-loss")
    card = models.card(model)
    chosen_on = dataset or card.dataset
    if chosen_on is None:
        raise UserError(f"dataset: '{model}' names none of its own; give --dataset")
    subject = Subject.load(card, task or card.tasks[0], chosen_on, split, images, metric, device=device, data=data)
    state = results / "tune" / f"{model}.{subject.task.name}.{subject.data.name}.json"
    state.parent.mkdir(parents=True, exist_ok=True)
    try:
        with subject.ready(), _bar(budget) as progress:
            front = search(
                subject.runner.model,
                subject.inputs(),
                score=None if unlabelled else subject.score,
                speedup=speedup,
                max_loss=loss,
                budget=budget,
                state=state,
                progress=progress,
            )
        print(f"{len(front.trials)} of {front.candidates} plans tried on {subject.words}; all are in {state}")
        for trial in front.best:
            print(f"  {trial}")
        if speedup is None and loss is None:
            return
        chosen = front.choose(speedup=speedup, max_loss=loss)
    except ValueError as error:
        raise UserError(str(error)) from error
    print(f"chosen: {chosen}\n\n# in a suite, below `methods:`\n{chosen.yaml}\n\n# in Python\n{chosen.python}")


def _share(percent: str | None) -> float | None:
    """``0.5%``, or ``0.005``, as a share."""
    if percent is None:
        return None
    try:
        value = float(percent.removesuffix("%")) / (100 if percent.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise UserError(f"max-loss: '{percent}' is no share below one; write it as 0.5% or 0.005")
    return value


@contextmanager
def _bar(budget: float) -> Iterator[Callable[[int, int, str], None]]:
    """A bar of the time that is used, with the latest trial beside it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    spent = TextColumn("{task.completed:.0f} s")
    columns = (spent, BarColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        bar, begin = bars.add_task("", total=budget), monotonic()

        def told(done: int, candidates: int, latest: str) -> None:
            bars.update(bar, completed=monotonic() - begin, description=f"{done} of {candidates} plans; {latest}")

        yield told
