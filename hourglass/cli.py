"""The command line: each step of the workflow, to be repeated by hand.

What a command needs is imported when it runs, so that a command that measures nothing does not wait for torch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hourglass.errors import UserError

if TYPE_CHECKING:
    from hourglass.measure import Measured
    from hourglass.stages import Stages
    from hourglass.suite import Case, Measurement
    from hourglass.verdict import Verdict

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Measure what the hourglass does to accuracy, cost and speed of trained vision transformers.",
)

SuiteArgument = Annotated[str, typer.Argument(help="Name of a suite, or path of its YAML file.")]
CaseArgument = Annotated[str, typer.Argument(help="Id of a case; `hourglass list cases` shows them.")]
DeviceOption = Annotated[str, typer.Option(help="Where models run: cpu, cuda (a GPU that no other job has), cuda:1.")]
ResultsOption = Annotated[Path, typer.Option(help="Folder of all results.")]
DataOption = Annotated[Path, typer.Option(help="Folder of the prepared data sets.")]
TablesOption = Annotated[Path, typer.Option(help="Folder of table definitions and accepted results.")]

FOLDER = "HOURGLASS_FOLDER"
"""Environment variable: where relative paths begin, if not in the current folder."""
RESULTS, DATA, TABLES = Path("results"), Path("data"), Path("tables")


class Kind(StrEnum):
    """What `list` can list."""

    SUITES = "suites"
    CASES = "cases"
    TASKS = "tasks"
    ARTIFACTS = "artifacts"
    MODELS = "models"
    DATASETS = "datasets"
    METHODS = "methods"
    RECIPES = "recipes"


def main() -> None:
    """Run the command line; an error that the user can fix is one line and exit code 2."""
    try:
        if folder := os.environ.get(FOLDER):
            os.chdir(folder)
        app()
    except UserError as error:
        print(f"hourglass: {error}", file=sys.stderr)
        sys.exit(2)


@app.command("list")
def list_names(kind: Kind, suite: Annotated[str, typer.Option(help="For cases: of which suite.")] = "embedded") -> None:
    """Print the names of all suites, cases, tasks, artifacts, models, datasets, methods or training recipes."""
    from hourglass import suite as suites

    match kind:
        case Kind.SUITES:
            names = suites.names()
        case Kind.CASES:
            names = [case.id for case in suites.Suite.load(suite).cases]
        case Kind.RECIPES:
            from hourglass import training

            names = training.names()
        case _:
            import importlib

            names = importlib.import_module(f"hourglass.{kind.value}").names()
    print("\n".join(names))


@app.command()
def validate(suite: SuiteArgument) -> None:
    """Check a suite file and say how many cases it has."""
    from hourglass.suite import Suite

    loaded = Suite.load(suite)
    loaded.metrics()
    print(f"{loaded.name}: {len(loaded.experiments)} experiments, {len(loaded.cases)} cases, all valid")


@app.command()
def plan(suite: SuiteArgument, data: DataOption = DATA, results: ResultsOption = RESULTS) -> None:
    """Say what a suite downloads, how much that is, what is there, what needs the user, and how long a GPU takes."""
    from hourglass import needs
    from hourglass.suite import Suite

    for line in needs.plan(Suite.load(suite), data=data, results=results):
        print(line)


@app.command()
def prepare(dataset: Annotated[str, typer.Argument(help="Name of a data set.")], data: DataOption = DATA) -> None:
    """Make or download a data set, unless that has been done."""
    from hourglass import datasets

    print(datasets.prepare(dataset, root=data))


@app.command()
def fetch(
    artifact: Annotated[list[str], typer.Argument(help="Ids of artifacts; `hourglass list artifacts` shows them.")],
    data: DataOption = DATA,
) -> None:
    """Download archives of data sets and checkpoints, unless they are there, and check them."""
    from hourglass import artifacts

    failed = []
    for name in artifact:
        try:
            print(artifacts.fetch(name, root=data))
        except UserError as error:
            failed.append(str(error))
    if failed:
        raise UserError("\nhourglass: ".join(failed))


@app.command()
def convert(
    model: Annotated[str, typer.Argument(help="Name of a model whose weights are not part of the project.")],
    checkpoint: Annotated[Path | None, typer.Option(help="Another file than the published one.")] = None,
    layout: Annotated[str | None, typer.Option(help="How the keys of that file are named.")] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; default: where the model is loaded from.")] = None,
    data: DataOption = DATA,
) -> None:
    """Make a model's weights from its published checkpoint, unless that has been done."""
    from hourglass.models import checkpoints

    print(checkpoints.prepare(model, root=data, checkpoint=checkpoint, layout=layout, out=out))


@app.command()
def accuracy(
    suite: SuiteArgument,
    case: CaseArgument,
    device: DeviceOption = "cpu",
    data: DataOption = DATA,
    results: ResultsOption = RESULTS,
    predictions: Annotated[Path | None, typer.Option(help="Folder to save the predictions in.")] = None,
    shard: Annotated[str | None, typer.Option(help="Measure a part only, as 2/7, for `merge`.")] = None,
) -> None:
    """Measure how good a case's predictions are."""
    from hourglass import measure

    chosen = _case(suite, case)
    if shard is not None:
        from hourglass import shards
        from hourglass.measure.sharding import Shard

        part = Shard.parse(shard)
        if predictions is not None:
            raise UserError("predictions: are not saved from a shard; leave out --predictions or --shard")
        partial = measure.accuracy_of_shard(chosen, data, part, device=_device(device))
        print(shards.save(results, chosen, part, partial, measure.provenance(chosen, partial["conditions"])))
        return
    _save(results, "accuracy", chosen, measure.accuracy(chosen, data, device=_device(device), predictions=predictions))


@app.command()
def merge(
    suite: SuiteArgument,
    case: CaseArgument,
    results: ResultsOption = RESULTS,
    shards: Annotated[int | None, typer.Option(min=1, help="How many; default: as the suite says.")] = None,
) -> None:
    """Make a case's accuracy of its shards, the same to the last digit as if it had been measured in one piece."""
    from hourglass import shards as stored
    from hourglass.results import save
    from hourglass.suite import Suite

    loaded = Suite.load(suite)
    chosen = loaded.case(case)
    print(save(results, stored.merge(results, chosen, shards or loaded.shards_of(chosen))))


@app.command()
def cost(
    suite: SuiteArgument,
    case: Annotated[str | None, typer.Argument(help="Id of a case; default: all that have not been counted.")] = None,
    device: Annotated[str | None, typer.Option(help="Default: cpu, or meta for a model without weights.")] = None,
    results: ResultsOption = RESULTS,
) -> None:
    """Count what a case computes."""
    from hourglass import measure

    if case is None:
        stages = _stages(suite, results)
        print(f"{stages.folder}: {stages.count()} cases counted")
        return
    chosen = _case(suite, case)
    _save(results, "cost", chosen, measure.cost(chosen, device=_device(device) if device else None))


@app.command()
def speed(
    suite: SuiteArgument,
    case: CaseArgument,
    device: DeviceOption = "cpu",
    data: DataOption = DATA,
    results: ResultsOption = RESULTS,
) -> None:
    """Time a case against its baseline, on a machine that does nothing else."""
    from hourglass import measure

    chosen = _case(suite, case)
    _save(results, "speed", chosen, measure.speed(chosen, data, device=_device(device)))


@app.command()
def collect(suite: SuiteArgument, results: ResultsOption = RESULTS) -> None:
    """Gather a suite's measurements into one tidy table."""
    print(_stages(suite, results).collect())


@app.command()
def verdict(
    suite: SuiteArgument, results: ResultsOption = RESULTS, tables: TablesOption = TABLES, data: DataOption = DATA
) -> None:
    """As `check`, but write down what is found and do not fail by it."""
    _print_verdicts(_stages(suite, results, tables, data).write_verdict())


@app.command()
def check(
    suite: SuiteArgument, results: ResultsOption = RESULTS, tables: TablesOption = TABLES, data: DataOption = DATA
) -> None:
    """Compare a suite's measurements with the accepted ones, and fail if anything regressed or is missing."""
    from hourglass.verdict import passed

    verdicts = _stages(suite, results, tables, data).judge()
    _print_verdicts(verdicts)
    if not passed(verdicts):
        raise typer.Exit(1)


@app.command("tables")
def write_tables(suite: SuiteArgument, results: ResultsOption = RESULTS, tables: TablesOption = TABLES) -> None:
    """Write a suite's tables as Markdown, LaTeX, CSV and HTML; print those that stand beside published ones."""
    from hourglass.tables.terminal import show

    stages = _stages(suite, results, tables)
    for table in stages.tabulate():
        show(table)
    print(stages.folder / "tables")


@app.command()
def report(suite: SuiteArgument, results: ResultsOption = RESULTS, tables: TablesOption = TABLES) -> None:
    """Write one self-contained HTML page about a suite's results."""
    print(_stages(suite, results, tables).report())


@app.command()
def annotate(
    suite: SuiteArgument,
    results: ResultsOption = RESULTS,
    tables: TablesOption = TABLES,
    summary: Annotated[
        Path | None, typer.Option(envvar="GITHUB_STEP_SUMMARY", help="File to append a summary in Markdown to.")
    ] = None,
) -> None:
    """Print a suite's verdict as annotations of GitHub Actions."""
    stages = _stages(suite, results, tables)
    annotations, text = stages.annotate()
    if summary is not None:
        with summary.open("a", encoding="utf-8") as file:
            file.write(text)
    print("\n".join(annotations))


@app.command()
def track(
    suite: SuiteArgument,
    results: ResultsOption = RESULTS,
    timeout: Annotated[float, typer.Option(help="Seconds after which it is given up.")] = 300,
) -> None:
    """Hand a suite's results to Weights & Biases, which may fail without failing anything."""
    print(_stages(suite, results).track(timeout))


@app.command("wandb-report")
def wandb_report(suite: SuiteArgument, results: ResultsOption = RESULTS, tables: TablesOption = TABLES) -> None:
    """Publish a report on a suite's runs in Weights & Biases; without a login, print what it would say."""
    print(_stages(suite, results, tables).wandb_report())


@app.command()
def accept(
    suite: SuiteArgument,
    reason: Annotated[str, typer.Option(help="Why these results are right.")],
    results: ResultsOption = RESULTS,
    tables: TablesOption = TABLES,
    data: DataOption = DATA,
) -> None:
    """Make a suite's results the ones that later results are compared with, and show what that changes."""
    print(_stages(suite, results, tables, data).accept(reason), end="")


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe; `hourglass list recipes` shows them.")],
    output: Annotated[Path, typer.Option(help="Folder of checkpoints and trained weights.")] = Path("runs"),
    data: DataOption = DATA,
    seed: Annotated[int, typer.Option(help="Of initial weights and batches.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="More are faster, one is reproducible.")] = 1,
) -> None:
    """Train a reference model, going on from its last checkpoint."""
    from hourglass import training

    print(training.run(recipe, output, data, seed=seed, threads=threads))


@app.command()
def demo(
    image: Annotated[Path, typer.Argument(help="A PNG or JPEG file.")],
    task: Annotated[str, typer.Option(help="What to predict; `hourglass list tasks` shows the tasks.")],
    model: Annotated[
        str | None,
        typer.Option(help="One of the project's, or of the hub (owner/name), or a folder with one."),
    ] = None,
    start: Annotated[int | None, typer.Option(help="Blocks before the clustering; default: a plan of a suite.")] = None,
    clusters: Annotated[tuple[int, int] | None, typer.Option(help="Rows and columns of clusters.")] = None,
    temperature: Annotated[float, typer.Option(help="Factor on squared distances.")] = 0.02,
    output: Annotated[Path, typer.Option(help="Picture to write.")] = Path("demo.png"),
) -> None:
    """Run a model on an image with and without the hourglass, and draw what changes."""
    from hourglass import demo as demonstration

    name = model or demonstration.default_model(task)
    if start is None or clusters is None:
        plan = demonstration.default_plan(name, task)
    else:
        plan = demonstration.plan(start, clusters, temperature)
    loaded, categories = demonstration.open_model(name, task)
    comparison = demonstration.compare(image, loaded, task, categories, plan)
    print(demonstration.save(comparison, task, categories, plan, output))


def _stages(suite: str, results: Path, tables: Path = TABLES, data: Path | None = None) -> Stages:
    """Where a folder of data is given, cases that cannot be measured without the user are left out, and named."""
    from hourglass.stages import Stages
    from hourglass.suite import Suite

    loaded = Suite.load(suite)
    if data is None:
        return Stages(loaded, results, tables)
    from hourglass import needs

    left_out = needs.left_out(loaded, data=data, results=results)
    print(needs.in_short(left_out), end="")
    return Stages(loaded, results, tables, left_out)


def _case(suite: str, case: str) -> Case:
    from hourglass.suite import Suite

    return Suite.load(suite).case(case)


def _device(name: str) -> str:
    """The device, with ``cuda`` being a GPU that no other job has."""
    if name == "cuda":
        from hourglass import gpus

        gpus.claim()
    return name


def _save(results: Path, measurement: Measurement, case: Case, measured: Measured) -> None:
    from hourglass import measure
    from hourglass.results import record, save

    provenance = measure.provenance(case, measured["conditions"])
    print(save(results, record(measurement, case, measured["values"], measured["samples"], provenance)))


def _print_verdicts(verdicts: Sequence[Verdict]) -> None:
    from hourglass.verdict import findings, in_numbers, where

    for status, detail, places in findings(verdicts):
        print(f"{status}: {where(places)}: {detail}")
    print(in_numbers(verdicts))
