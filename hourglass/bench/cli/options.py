"""Arguments and options that several commands share, and what they stand for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hourglass.bench.storage.shipped import shipped
from hourglass.registry import INCLUDE
from hourglass.registry import include as add_folders

if TYPE_CHECKING:
    from hourglass.bench.results.outcome import Outcome

SuiteArgument = Annotated[str, typer.Argument(help="Name of a suite, or path of its YAML file.")]
CaseArgument = Annotated[str, typer.Argument(help="Id of a case; `hourglass list cases` shows them.")]
CasesArgument = Annotated[
    list[str] | None,
    typer.Argument(help="Ids of cases; `hourglass list cases` shows them. Default: all that have not been measured."),
]
DeviceOption = Annotated[str, typer.Option(help="Where models run: cpu, cuda (a GPU that no other job has), cuda:1.")]
ResultsOption = Annotated[Path, typer.Option(help="Folder of all results.")]
DataOption = Annotated[Path, typer.Option(help="Folder of the prepared data sets.")]
TablesOption = Annotated[
    Path,
    typer.Option(help="Folder of table definitions and accepted results; default: ./tables, else the project's own."),
]

IncludeOption = Annotated[
    list[str],
    typer.Option(
        metavar="FOLDER",
        show_default=False,
        help=f"Folder whose Python files add models, data sets, methods and the like; also ${INCLUDE}.",
    ),
]

RESULTS, DATA, TABLES = Path("results"), Path("data"), Path("tables")


def including(command: Callable[..., None]) -> Callable[..., None]:
    """The command with one option more, which all commands have: ``--include``."""

    @wraps(command)
    def run(include: Sequence[str] = (), **arguments: Any) -> None:
        add_folders(include)
        command(**arguments)

    known = signature(command, eval_str=True)
    option = Parameter("include", Parameter.KEYWORD_ONLY, default=[], annotation=IncludeOption)
    run.__dict__["__signature__"] = known.replace(parameters=[*known.parameters.values(), option])
    run.__annotations__ = {**command.__annotations__, "include": IncludeOption}
    return run


def load_outcome(suite: str, results: Path, tables: Path, data: Path) -> Outcome:
    """What came of a suite, with the verdicts on it."""
    from hourglass.bench.results.outcome import Outcome
    from hourglass.bench.suites.suite import Suite

    return Outcome.load(Suite.read(suite), results=results, tables=tables_folder(tables), data=data)


def tables_folder(tables: Path) -> Path:
    """The folder that was asked for; by default the current folder's or, where it has none, the project's own."""
    return shipped("tables") if tables == TABLES and not tables.is_dir() else tables
