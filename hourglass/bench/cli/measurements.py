"""Commands that measure one case of a suite."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hourglass.bench.cli.options import (
    DATA,
    RESULTS,
    CaseArgument,
    DataOption,
    DeviceOption,
    ResultsOption,
    SuiteArgument,
    open_stages,
)
from hourglass.registry import UserError

if TYPE_CHECKING:
    from hourglass.bench.measuring import Measured
    from hourglass.bench.suites.suite import Case, Measurement


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
    from hourglass.bench import measuring

    chosen = _case(suite, case)
    if shard is not None:
        from hourglass.bench.measuring.sharding import Shard
        from hourglass.bench.results import shards

        part = Shard.parse(shard)
        if predictions is not None:
            raise UserError("predictions: are not saved from a shard; leave out --predictions or --shard")
        partial = measuring.accuracy_of_shard(chosen, data, part, device=_device(device))
        print(shards.save(results, chosen, part, partial, measuring.provenance(chosen, partial["conditions"])))
        return
    _save(
        results, "accuracy", chosen, measuring.accuracy(chosen, data, device=_device(device), predictions=predictions)
    )


def merge(
    suite: SuiteArgument,
    case: CaseArgument,
    results: ResultsOption = RESULTS,
    shards: Annotated[int | None, typer.Option(min=1, help="How many; default: as the suite says.")] = None,
) -> None:
    """Make a case's accuracy of its shards, the same to the last digit as if it had been measured in one piece."""
    from hourglass.bench.results import shards as stored
    from hourglass.bench.results.records import save
    from hourglass.bench.suites.suite import Suite

    loaded = Suite.load(suite)
    chosen = loaded.case(case)
    print(save(results, stored.merge(results, chosen, shards or loaded.shards_of(chosen))))


def cost(
    suite: SuiteArgument,
    case: Annotated[str | None, typer.Argument(help="Id of a case; default: all that have not been counted.")] = None,
    device: Annotated[str | None, typer.Option(help="Default: cpu, or meta for a model without weights.")] = None,
    results: ResultsOption = RESULTS,
) -> None:
    """Count what a case computes."""
    from hourglass.bench import measuring

    if case is None:
        stages = open_stages(suite, results)
        print(f"{stages.folder}: {stages.count()} cases counted")
        return
    chosen = _case(suite, case)
    _save(results, "cost", chosen, measuring.cost(chosen, device=_device(device) if device else None))


def speed(
    suite: SuiteArgument,
    case: CaseArgument,
    device: DeviceOption = "cpu",
    data: DataOption = DATA,
    results: ResultsOption = RESULTS,
) -> None:
    """Time a case against its baseline, on a machine that does nothing else."""
    from hourglass.bench import measuring

    chosen = _case(suite, case)
    _save(results, "speed", chosen, measuring.speed(chosen, data, device=_device(device)))


def _case(suite: str, case: str) -> Case:
    from hourglass.bench.suites.suite import Suite

    return Suite.load(suite).case(case)


def _device(name: str) -> str:
    """The device, with ``cuda`` being a GPU that no other job has."""
    if name == "cuda":
        from hourglass.bench.storage import gpus

        gpus.claim()
    return name


def _save(results: Path, measurement: Measurement, case: Case, measured: Measured) -> None:
    from hourglass.bench import measuring
    from hourglass.bench.results.records import record, save

    provenance = measuring.provenance(case, measured["conditions"])
    print(save(results, record(measurement, case, measured["values"], measured["samples"], provenance)))
