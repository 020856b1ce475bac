"""Commands that say what there is and what a suite needs, and those that provide it."""

from __future__ import annotations

from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hourglass.bench.cli.options import DATA, RESULTS, DataOption, ResultsOption, SuiteArgument
from hourglass.bench.wording import counted
from hourglass.registry import UserError

if TYPE_CHECKING:
    from hourglass.bench.suites.suite import Suite


class Kind(StrEnum):
    """What `list` can list."""

    SUITES = "suites"
    CASES = "cases"
    TASKS = "tasks"
    METRICS = "metrics"
    MODELS = "models"
    DATASETS = "datasets"
    METHODS = "methods"
    ENCODERS = "encoders"
    BACKENDS = "backends"
    LAYOUTS = "layouts"
    RECIPES = "recipes"
    ARTIFACTS = "artifacts"


REGISTRIES = {
    Kind.TASKS: "hourglass.bench.tasks:TASKS",
    Kind.MODELS: "hourglass.bench.models:MODELS",
    Kind.DATASETS: "hourglass.bench.datasets:DATASETS",
    Kind.METHODS: "hourglass.methods:METHODS",
    Kind.ENCODERS: "hourglass.acceleration.encoders:ENCODERS",
    Kind.BACKENDS: "hourglass.bench.backends:BACKENDS",
    Kind.LAYOUTS: "hourglass.bench.models.checkpoints:LAYOUTS",
    Kind.RECIPES: "hourglass.bench.training:RECIPES",
}


def list_names(kind: Kind, suite: Annotated[str, typer.Option(help="Suite whose cases to list.")] = "embedded") -> None:
    """List what there is of one kind."""
    from hourglass.bench.suites import suite as suites

    match kind:
        case Kind.SUITES:
            names = suites.names()
        case Kind.CASES:
            names = [case.id for case in suites.Suite.read(suite).cases]
        case Kind.METRICS:
            from hourglass.bench import tasks

            names = [f"{task}/{metric.name}" for task in tasks.TASKS.names() for metric in tasks.metrics(task)]
        case Kind.ARTIFACTS:
            from hourglass.bench import downloads

            names = downloads.names()
        case _:
            module, registry = REGISTRIES[kind].split(":")
            names = getattr(import_module(module), registry).names()
    print("\n".join(names))


def validate(suite: SuiteArgument, data: DataOption = DATA) -> None:
    """Check a suite file, and that each method fits its model, and say how many cases there are."""
    from hourglass.bench.suites.suite import Suite

    loaded = Suite.read(suite)
    loaded.metrics()
    if found := _obstacles(loaded, data):
        raise UserError("\nhourglass: ".join(f"{loaded.name}: {case}: {why}" for case, why in found.items()))
    experiments = counted(len(loaded.experiments), one="experiment")
    print(f"{loaded.name}: {experiments}, {counted(len(loaded.cases), one='case')}, all valid")


def plan(suite: SuiteArgument, data: DataOption = DATA, results: ResultsOption = RESULTS) -> None:
    """Say what a suite downloads and how much, what is there, what you have to do first, and how long a GPU takes."""
    from hourglass.bench.results import requirements
    from hourglass.bench.suites.suite import Suite

    loaded = Suite.read(suite)
    for line in requirements.plan(loaded, data=data, results=results):
        print(line)
    for case, why in _obstacles(loaded, data).items():
        print(f"impossible: {case}: {why}")


def prepare(
    dataset: Annotated[str, typer.Argument(help="Name of a data set.")],
    data: DataOption = DATA,
    suite: Annotated[
        str | None, typer.Option(help="Suite that defines the data set, if it is not one of the project's.")
    ] = None,
) -> None:
    """Make or download a data set, unless that is done already."""
    from hourglass.bench import datasets

    if suite is not None:
        from hourglass.bench.suites.suite import Suite

        Suite.read(suite)

    print(datasets.prepare(dataset, root=data))


def fetch(
    artifact: Annotated[list[str], typer.Argument(help="Ids of artifacts; `hourglass list artifacts` shows them.")],
    data: DataOption = DATA,
) -> None:
    """Download archives of data sets and checkpoints, unless they are there, and check them."""
    from hourglass.bench import downloads

    failed = []
    for name in artifact:
        try:
            print(downloads.fetch(name, root=data))
        except UserError as error:
            failed.append(str(error))
    if failed:
        raise UserError("\nhourglass: ".join(failed))


def convert(
    model: Annotated[str, typer.Argument(help="Name of a model whose weights are not part of the project.")],
    checkpoint: Annotated[Path | None, typer.Option(help="Another file than the published one.")] = None,
    layout: Annotated[str | None, typer.Option(help="How the keys of that file are named.")] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; default: where the model is loaded from.")] = None,
    data: DataOption = DATA,
) -> None:
    """Make a model's weights from its published checkpoint, unless that is done already."""
    from hourglass.bench.models import checkpoints

    print(checkpoints.prepare(model, root=data, checkpoint=checkpoint, layout=layout, out=out))


def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe; `hourglass list recipes` shows them.")],
    output: Annotated[Path, typer.Option(help="Folder of checkpoints and trained weights.")] = Path("runs"),
    data: DataOption = DATA,
    seed: Annotated[int, typer.Option(help="Of initial weights and batches.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="One is reproducible, more are faster.")] = 1,
) -> None:
    """Train a reference model, from its last checkpoint on."""
    from hourglass.bench import training

    print(training.run(recipe, output, data, seed=seed, threads=threads))


def _obstacles(suite: Suite, data: Path) -> dict[str, str]:
    """Why cases cannot be measured, by their id: methods that do not fit their models."""
    from rich.console import Console
    from rich.progress import track

    from hourglass.bench.measuring.cases import obstacle

    cases = track(suite.cases, "checking plans", console=Console(stderr=True), transient=True)
    return {case.id: why for case in cases if (why := obstacle(case, data))}
