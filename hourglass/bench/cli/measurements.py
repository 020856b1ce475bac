"""Commands that measure cases of a suite."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from hourglass.bench.cli.options import (
    DATA,
    RESULTS,
    TABLES,
    CaseArgument,
    CasesArgument,
    DataOption,
    DeviceOption,
    ResultsOption,
    SuiteArgument,
    TablesOption,
    tables_folder,
)
from hourglass.registry import UserError

if TYPE_CHECKING:
    from hourglass.bench.measuring import Result
    from hourglass.bench.suites.case import Case, Measurement

    Attempts = Iterator[tuple[Case, Callable[[], Path]]]
    """Cases, and what finishes the measurement of each and stores it; the file."""


def accuracy(
    suite: SuiteArgument,
    cases: CasesArgument = None,
    device: DeviceOption = "cpu",
    data: DataOption = DATA,
    results: ResultsOption = RESULTS,
    predictions: Annotated[Path | None, typer.Option(help="Folder to save predictions in, a folder per case.")] = None,
    shard: Annotated[str | None, typer.Option(help="Measure a part only, as 2/7, for `merge`.")] = None,
) -> None:
    """Measure how good the predictions of cases are."""
    if shard is not None and predictions is not None:
        raise UserError("predictions: are not saved from a shard; leave out --predictions or --shard")

    def whole(chosen: Sequence[Case]) -> Attempts:
        from hourglass.bench.measuring import cases as measuring

        for group in _grouped(chosen, measuring.forward_pass):
            folders = [predictions / case.id if predictions else None for case in group]
            measure = partial(measuring.accuracies, group, data, device=_free(device), predictions=folders)
            yield from _finished(results, "accuracy", group, measure)

    def part(case: Case) -> Path:
        from hourglass.bench.measuring import cases as measuring
        from hourglass.bench.measuring import provenance
        from hourglass.bench.measuring.types import Shard
        from hourglass.bench.results import shards

        number = Shard.parse(str(shard))
        partial = measuring.accuracy_of_shard(case, data, number, device=_free(device))
        return shards.save(results, case, number, partial, provenance(case, partial["conditions"]))

    _measure("accuracy", suite, cases, whole if shard is None else _each(part), results, data, device)


def merge(
    suite: SuiteArgument,
    case: CaseArgument,
    results: ResultsOption = RESULTS,
    shards: Annotated[int | None, typer.Option(min=1, help="How many; default: as the suite says.")] = None,
) -> None:
    """Merge the shards of a case's accuracy: the same digits as if it had been measured in one piece."""
    from hourglass.bench.results import gallery
    from hourglass.bench.results import shards as stored
    from hourglass.bench.results.records import save
    from hourglass.bench.suites.suite import Suite

    loaded = Suite.read(suite)
    chosen = loaded.case(case)
    number = shards or loaded.shards_of(chosen)
    print(save(results, stored.merge(results, chosen, number)))
    gallery.save(results, chosen, stored.gallery(results, chosen, number))


def cost(
    suite: SuiteArgument,
    cases: CasesArgument = None,
    device: Annotated[str | None, typer.Option(help="Default: cpu, or meta for a model without weights.")] = None,
    data: DataOption = DATA,
    results: ResultsOption = RESULTS,
) -> None:
    """Count what cases compute."""

    def together(chosen: Sequence[Case]) -> Attempts:
        from hourglass.bench.measuring import cases as measuring

        where = _free(device) if device else None
        for group in _grouped(chosen, measuring.forward_pass):
            yield from _finished(results, "cost", group, partial(measuring.costs, group, data, device=where))

    _measure("cost", suite, cases, together, results, data)


def speed(
    suite: SuiteArgument,
    cases: CasesArgument = None,
    device: DeviceOption = "cpu",
    data: DataOption = DATA,
    results: ResultsOption = RESULTS,
    tables: TablesOption = TABLES,
    confirm: Annotated[
        bool, typer.Option(help="Time again, in new processes, what may differ from what was accepted.")
    ] = True,
    again: Annotated[
        bool, typer.Option("--again", help="Time what is timed already once more; all runs count.")
    ] = False,
    longer: Annotated[float, typer.Option(min=1, help="Time so many times as long as the suite says.")] = 1,
    latency_alone: Annotated[
        bool, typer.Option("--latency-alone", help="With --longer: throughput takes as long as the suite says.")
    ] = False,
) -> None:
    """Time cases against their baselines, on a machine that does nothing else."""
    if again:
        _time_again(suite, _timed(suite, cases, results), results)
        return
    timed: list[Case] = []

    def together(chosen: Sequence[Case]) -> Attempts:
        from hourglass.bench.measuring import cases as measuring
        from hourglass.bench.suites.suite import Suite

        timing = Suite.read(suite).timing.times(longer, latency_alone=latency_alone)
        for group in _grouped(chosen, measuring.timed_with):
            timed.extend(group)
            measure = partial(measuring.speed, group, data, device=_free(device), timing=timing)
            yield from _finished(results, "speed", group, measure)

    failure = None
    try:
        _measure("speed", suite, cases, together, results, data, device)
    except UserError as error:
        failure = error
    if confirm:
        _confirm(suite, timed, results, tables_folder(tables))
    if failure:
        raise failure


def _measure(
    measurement: Measurement,
    suite: str,
    ids: Sequence[str] | None,
    attempts: Callable[[Sequence[Case]], Attempts],
    results: Path,
    data: Path,
    device: str = "cpu",
) -> None:
    """Measure cases, each in the environment of its model's backend, and store each result as soon as it is there.

    Args:
        measurement: What is measured of them.
        suite: Name or path.
        ids: Of the cases; None for all whose measurement is due.
        attempts: Measures cases in this process.
        results: Folder of all results.
        data: Folder of all data.
        device: Where models run.

    Raises:
        UserError: There is no such case, or some failed; all others have been measured nevertheless.
    """
    from hourglass.bench.measuring import require_provenance
    from hourglass.bench.results.progress import Journal
    from hourglass.bench.results.state import forget_failure, note_failure, states
    from hourglass.bench.suites.suite import Suite

    loaded = Suite.read(suite)
    if ids:
        cases = [loaded.case(name) for name in ids]
    else:
        found = states(loaded, results=results, data=data, device=device)
        cases = [state.case for state in found if state.measurement == measurement and state.is_due]
    if cases:
        require_provenance()
    journal, failures = Journal(results, loaded.name), []
    for python, group in _by_interpreter(cases).items():
        if python is not None:
            options = [argument for argument in sys.argv[1:] if argument not in (ids or ())]
            command = [str(python), "-m", "hourglass", *options, *(case.id for case in group)]
            if subprocess.run(command).returncode:
                failures.append(f"{group[0].experiment}: failed in {python.parents[1].name}, as said above")
            continue
        for case, finish in attempts(group):
            journal.write("started", measurement, case)
            try:
                print(finish(), flush=True)
                forget_failure(results, case, measurement)
                journal.write("finished", measurement, case)
            except UserError as error:
                note_failure(results, case, measurement, str(error))
                journal.write("failed", measurement, case, str(error))
                failures.append(f"{case.id}: {error}" if len(cases) > 1 else str(error))
    if failures:
        raise UserError("\nhourglass: ".join(failures))


def _confirm(suite: str, timed: Sequence[Case], results: Path, tables: Path) -> None:
    """Time again, each time in a process of its own, what may differ from what was accepted; all runs count."""
    from hourglass.bench.results import accepted
    from hourglass.bench.results.confirming import MOST_RUNS, suspects
    from hourglass.bench.suites.suite import Suite

    loaded = Suite.read(suite)
    reference = accepted.load(tables, loaded)
    again: Sequence[Case] = timed
    for _ in range(MOST_RUNS - 1):
        found = suspects(loaded, again, results, reference)
        if not found:
            return
        again = [suspect.case for suspect in found]
        print(f"timed again, as they may differ from what was accepted: {', '.join(c.id for c in again)}", flush=True)
        longer = ("--longer", str(loaded.timing.again))
        # Nearly all are suspect at batch 1 alone, where a longer throughput would be time for nothing.
        if as_a_whole := [suspect.case for suspect in found if suspect.by_throughput]:
            _time_again(suite, as_a_whole, results, *longer)
        if at_batch_1 := [suspect.case for suspect in found if not suspect.by_throughput]:
            _time_again(suite, at_batch_1, results, *longer, "--latency-alone")


def _timed(suite: str, ids: Sequence[str] | None, results: Path) -> list[Case]:
    """Cases whose speeds are stored, of those named or of all."""
    from hourglass.bench.results.records import load
    from hourglass.bench.suites.suite import Suite

    loaded = Suite.read(suite)
    cases = [loaded.case(name) for name in ids] if ids else loaded.cases
    return [case for case in cases if load(results, case, "speed")]


def _time_again(suite: str, cases: Sequence[Case], results: Path, *more: str) -> None:
    """Time cases once more, in a process of their own with more options, and store what all runs found."""
    from hourglass.bench.results.confirming import together
    from hourglass.bench.results.records import load, save
    from hourglass.bench.suites.suite import Suite

    if not cases:
        raise UserError("speed: none of these cases has been timed yet; leave out --again")
    known = {case.id for case in Suite.read(suite).cases}
    options = [argument for argument in sys.argv[2:] if argument not in known and argument != "--again"]
    command = [sys.executable, "-m", "hourglass", "speed", *options, *(case.id for case in cases)]
    with TemporaryDirectory() as elsewhere:
        subprocess.run([*command, "--results", elsewhere, "--no-confirm", *more])
        for case in cases:
            first, second = load(results, case, "speed"), load(Path(elsewhere), case, "speed")
            if first and second:
                print(save(results, together(first, second)), flush=True)


def _each(measure: Callable[[Case], Path]) -> Callable[[Sequence[Case]], Attempts]:
    def attempts(cases: Sequence[Case]) -> Attempts:
        yield from ((case, partial(measure, case)) for case in cases)

    return attempts


def _by_interpreter(cases: Iterable[Case]) -> dict[Path | None, list[Case]]:
    """Cases by the interpreter that runs their models; None is this one."""
    from hourglass.bench import models
    from hourglass.bench.backends.environments import interpreter

    found: dict[Path | None, list[Case]] = {}
    for case in cases:
        found.setdefault(interpreter(models.card(case.model).backend), []).append(case)
    return found


def _free(device: str) -> str:
    """The device, with ``cuda`` being a GPU that no other job has."""
    if device == "cuda":
        from hourglass.bench.storage import gpus

        gpus.claim()
    return device


def _grouped(cases: Iterable[Case], key: Callable[[Case], str]) -> Iterable[list[Case]]:
    """Cases that are measured together, in the order of the first ones."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(key(case), []).append(case)
    return groups.values()


def _finished(
    results: Path,
    measurement: Measurement,
    cases: Sequence[Case],
    measure: Callable[[], Mapping[str, Result | UserError]],
) -> Attempts:
    """Cases that one call measures, when the first of them is asked for."""
    found: list[Mapping[str, Result | UserError]] = []

    def finish(case: Case) -> Path:
        if not found:
            try:
                found.append(measure())
            except UserError as error:
                found.append({each.id: error for each in cases})
        return _save(results, measurement, case, found[0][case.id])

    yield from ((case, partial(finish, case)) for case in cases)


def _save(results: Path, measurement: Measurement, case: Case, found: Result | UserError) -> Path:
    from hourglass.bench import measuring
    from hourglass.bench.results import gallery
    from hourglass.bench.results.records import record, save

    if isinstance(found, UserError):
        raise found
    provenance = measuring.provenance(case, found["conditions"])
    path = save(results, record(measurement, case, found["values"], found["samples"], provenance))
    if measurement == "accuracy":
        gallery.save(results, case, found.get("gallery", []))
    return path
