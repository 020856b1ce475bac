"""Arguments and options that several commands share, and the suite they name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hourglass.bench.storage.shipped import shipped

if TYPE_CHECKING:
    from hourglass.bench.cli.stages import Stages

SuiteArgument = Annotated[str, typer.Argument(help="Name of a suite, or path of its YAML file.")]
CaseArgument = Annotated[str, typer.Argument(help="Id of a case; `hourglass list cases` shows them.")]
DeviceOption = Annotated[str, typer.Option(help="Where models run: cpu, cuda (a GPU that no other job has), cuda:1.")]
ResultsOption = Annotated[Path, typer.Option(help="Folder of all results.")]
DataOption = Annotated[Path, typer.Option(help="Folder of the prepared data sets.")]
TablesOption = Annotated[
    Path,
    typer.Option(help="Folder of table definitions and accepted results; default: ./tables, else the project's own."),
]

RESULTS, DATA, TABLES = Path("results"), Path("data"), Path("tables")


def open_stages(suite: str, results: Path, tables: Path = TABLES, data: Path | None = None) -> Stages:
    """The stages of a suite.

    Where a folder of data is given, cases that cannot be measured without the user are left out, and named.
    """
    from hourglass.bench.cli.stages import Stages
    from hourglass.bench.suites.suite import Suite

    loaded = Suite.load(suite)
    if tables == TABLES and not tables.is_dir():
        tables = shipped("tables")
    if data is None:
        return Stages(loaded, results, tables)
    from hourglass.bench.results import requirements

    left_out = requirements.left_out(loaded, data=data, results=results)
    print(requirements.in_short(left_out), end="")
    return Stages(loaded, results, tables, left_out)
