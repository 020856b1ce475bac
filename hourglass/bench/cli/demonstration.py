"""The command that shows what the hourglass does to one image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hourglass.bench.cli.options import DATA, DataOption


def demo(
    image: Annotated[Path, typer.Argument(help="A PNG or JPEG file.")],
    task: Annotated[
        str, typer.Option(help="What to predict; `hourglass list tasks` shows the tasks.")
    ] = "semantic-segmentation",
    model: Annotated[
        str | None,
        typer.Option(help="One of the project's, or of the hub (owner/name), or a folder with one."),
    ] = None,
    start: Annotated[int | None, typer.Option(help="Blocks before the clustering; default: a plan of a suite.")] = None,
    clusters: Annotated[tuple[int, int] | None, typer.Option(help="Rows and columns of clusters.")] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Factor on squared distances; by default, what suits the tokens.")
    ] = None,
    data: DataOption = DATA,
    output: Annotated[Path, typer.Option(help="Picture to write.")] = Path("demo.png"),
) -> None:
    """Run a model on an image with and without the hourglass, and draw what changes."""
    from hourglass.bench.report import demo as demonstration

    demonstration.require_picture(output)
    name = model or demonstration.default_model(task)
    if start is None or clusters is None:
        plan = demonstration.default_plan(name, task)
    else:
        plan = demonstration.plan(start, clusters, temperature)
    loaded, categories = demonstration.open_model(name, task, data)
    comparison = demonstration.compare(image, loaded, task, categories, plan)
    print(demonstration.save(comparison, task, categories, plan, output))
