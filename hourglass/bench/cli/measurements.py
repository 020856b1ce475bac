"""Commands that measure cases of a suite."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hourglass.bench.cli.options import (
    DATA,
    RESULTS,
    CaseArgument,
    CasesArgument,
    DataOption,
    DeviceOption,
    ResultsOption,
    SuiteArgument,
)
from hourglass.registry import UserError

if TYPE_CHECKING:
    from hourglass.bench.measuring import Result
    from hourglass.bench.suites.suite import Case, Measurement


def accuracy(
    suite: SuiteArgument,
    cases: CasesArgument = None,
    device: DeviceOption = "cpu",
    data: DataOption = DATA,
    results: ResultsOption = RESULTS,
    predictions: Annotated[Path | None, typer.Option(help="Folder to save the predictions in.")] = None,
    shard: Annotated[str | None, typer.Option(help="Measure a part only, as 2/7, for `merge`.")] = None,
) -> None:
    """Measure how good the predictions of cases are."""
    if shard is not None:
        if predictions is not None:
            raise UserError("predictions: are not saved from a shard; leave out --predictions or --shard")
        _measure("accuracy", suite, cases, results, lambda case: _shard(case, shard, _device(device), data, results))
        return

    def run(case: Case) -> Path:
        from hourglass.bench.measuring import cases as measuring

        folder = predictions and (predictions / case.id if len(cases or ()) != 1 else predictions)
        measured = measuring.accuracy(case, data, device=_device(device), predictions=folder)
        return _save(results, "accuracy", case, measured)

    _measure("accuracy", suite, cases, results, run)


def merge(
    suite: SuiteArgument,
    case: CaseArgument,
    results: ResultsOption = RESULTS,
    shards: Annotated[int | None, typer.Option(min=1, help="How many; default: as the suite says.")] = None,
) -> None:
    """Merge the shards of a case's accuracy: the same digits as if it had been measured in one piece."""
    from hourglass.bench.results import shards as stored
    from hourglass.bench.results.records import save
    from hourglass.bench.suites.suite import Suite

    loaded = Suite.load(suite)
    chosen = loaded.case(case)
    print(save(results, stored.merge(results, chosen, shards or loaded.shards_of(chosen))))


def cost(
    suite: SuiteArgument,
    cases: CasesArgument = None,
    device: Annotated[str | None, typer.Option(help="Default: cpu, or meta for a model without weights.")] = None,
    data: DataOption = DATA,
    results: ResultsOption = RESULTS,
) -> None:
    """Count what cases compute."""

    def run(case: Case) -> Path:
        from hourglass.bench.measuring import cases as measuring

        return _save(results, "cost", case, measuring.cost(case, data, device=_device(device) if device else None))

    _measure("cost", suite, cases, results, run)


def speed(
    suite: SuiteArgument,
    cases: CasesArgument = None,
    device: DeviceOption = "cpu",
    data: DataOption = DATA,
    results: ResultsOption = RESULTS,
) -> None:
    """Time cases against their baselines, on a machine that does nothing else."""

    def run(case: Case) -> Path:
        from hourglass.bench.measuring import cases as measuring

        return _save(results, "speed", case, measuring.speed(case, data, device=_device(device)))

    _measure("speed", suite, cases, results, run)


def _measure(
    measurement: Measurement, suite: str, ids: Sequence[str] | None, results: Path, run: Callable[[Case], Path]
) -> None:
    """Measure cases one after another, each in the environment of its model's backend.

    One that fails keeps none of the others from being measured; the command fails after the last one.

    Args:
        measurement: What is measured of them.
        suite: Name or path.
        ids: Of the cases; None for all of the suite that have not been measured.
        results: Folder of all results.
        run: Measures a case and stores what came out; the file.
    """
    from hourglass.bench.results.records import unmeasured
    from hourglass.bench.suites.suite import Suite

    loaded = Suite.load(suite)
    cases = [loaded.case(name) for name in ids] if ids else unmeasured(results, loaded, measurement)
    failures = []
    for python, together in _by_interpreter(cases).items():
        if python is not None:
            options = [argument for argument in sys.argv[1:] if argument not in (ids or ())]
            command = [str(python), "-m", "hourglass", *options, *(case.id for case in together)]
            failures += [""] if subprocess.run(command).returncode else []
            continue
        for case in together:
            try:
                print(run(case), flush=True)
            except UserError as error:
                failures.append(f"{case.id}: {error}" if len(cases) > 1 else str(error))
    if failures:
        raise UserError("\nhourglass: ".join(filter(None, failures)) or "a case failed in another environment")


def _by_interpreter(cases: Iterable[Case]) -> dict[Path | None, list[Case]]:
    """Cases by the interpreter that runs their models; None is this one."""
    from hourglass.bench import models
    from hourglass.bench.backends.environments import interpreter

    found: dict[Path | None, list[Case]] = {}
    for case in cases:
        found.setdefault(interpreter(models.card(case.model).backend), []).append(case)
    return found


def _device(name: str) -> str:
    """The device, with ``cuda`` being a GPU that no other job has."""
    if name == "cuda":
        from hourglass.bench.storage import gpus

        gpus.claim()
    return name


def _shard(case: Case, shard: str, device: str, data: Path, results: Path) -> Path:
    from hourglass.bench import measuring
    from hourglass.bench.measuring import cases
    from hourglass.bench.measuring.types import Shard
    from hourglass.bench.results import shards

    part = Shard.parse(shard)
    partial = cases.accuracy_of_shard(case, data, part, device=device)
    return shards.save(results, case, part, partial, measuring.provenance(case, partial["conditions"]))


def _save(results: Path, measurement: Measurement, case: Case, measured: Result) -> Path:
    from hourglass.bench import measuring
    from hourglass.bench.results.records import record, save

    provenance = measuring.provenance(case, measured["conditions"])
    return save(results, record(measurement, case, measured["values"], measured["samples"], provenance))
