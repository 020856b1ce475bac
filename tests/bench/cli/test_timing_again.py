"""What `hourglass speed` times again, in which processes, for how long, and what it stores then."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hourglass.bench.measuring import cases
from hourglass.bench.results import accepted, confirming
from hourglass.bench.results.records import Record, load, record, save
from hourglass.bench.suites.case import Case
from hourglass.bench.suites.suite import Suite

from ..conftest import PROVENANCE, interval, measure

RESULTS = Path("results")


def speed(case: Case, **values: float) -> Record:
    """What is accepted of a case, but for some values."""
    usual = next(each for each in measure(case) if each.measurement == "speed")
    return record("speed", case, {**usual.values, **values}, {}, PROVENANCE)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands of the processes that time again: each finds what was accepted."""
    commands: list[list[str]] = []

    def time(command: list[str]) -> None:
        commands.append(command[command.index("speed") :])
        ids = [argument for argument in command if ".hourglass." in argument]
        suite = Suite.read("example.yaml")
        for id_ in ids:
            save(Path(command[command.index("--results") + 1]), speed(suite.case(id_)))

    def together(first: Record, second: Record) -> Record:
        runs = int(first.values["runs"] or 0) + 1
        return speed(second.case, **interval("speedup", 1.99), runs=runs)

    monkeypatch.setattr(subprocess, "run", time)
    monkeypatch.setattr(confirming, "together", together)
    return commands


@pytest.fixture
def timed(
    run: Callable[..., tuple[int | str | None, str, str]],
    suite: Suite,
    records: list[Record],
    tmp_path: Path,
    asked: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., list[list[str]]]:
    """Times a suite of which some plans differ from what was accepted; says what was timed again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOURGLASS_COMMIT", "c" * 40)
    accepted.accept(Path("tables"), suite, records, "first results")

    def command(*arguments: str, **plans: dict[str, float]) -> list[list[str]]:
        def time(group: list[Case], *_: object, **__: object) -> dict[str, dict[str, object]]:
            values = {case.id: speed(case, **plans.get(case.plan, {})).values for case in group}
            return {name: {"values": each, "samples": {}, "conditions": PROVENANCE} for name, each in values.items()}

        monkeypatch.setattr(cases, "speed", time)
        code, _, error = run("speed", "example.yaml", *arguments)
        assert (code, error) == (0, "")
        return asked

    return command


STRONG = "semantic-segmentation.segmenter-scenes.scenes.hourglass.strong"
MILD = (
    "semantic-segmentation.segmenter-scenes.scenes.hourglass.mild",
    "depth-estimation.dpt-scenes.scenes.hourglass.mild",
)


def test_what_is_as_it_was_accepted_is_timed_once(timed) -> None:
    assert timed() == []


def test_what_is_slower_at_batch_1_is_timed_longer_there_alone(timed, suite: Suite) -> None:
    (command,) = timed(strong=interval("speedup", 1.3))
    assert command[:3] == ["speed", "example.yaml", STRONG]
    assert command[-4:] == ["--no-confirm", "--longer", "6", "--latency-alone"]
    stored = load(RESULTS, suite.case(STRONG), "speed")
    assert stored
    assert stored.values["runs"] == 2


def test_what_has_a_lower_throughput_is_timed_longer_as_a_whole(timed) -> None:
    (command,) = timed(strong=interval("throughput_speedup", 1.3))
    assert command[-3:] == ["--no-confirm", "--longer", "6"]


def test_both_kinds_are_timed_apart(timed) -> None:
    whole, latency = timed(strong=interval("speedup", 1.3), mild=interval("throughput_speedup", 0.8))
    assert tuple(argument for argument in whole if ".hourglass." in argument) == MILD
    assert "--latency-alone" not in whole
    assert [argument for argument in latency if ".hourglass." in argument] == [STRONG]
    assert latency[-1] == "--latency-alone"


def test_nothing_is_timed_again_unless_it_is_to_be_confirmed(timed) -> None:
    assert timed("--no-confirm", strong=interval("speedup", 1.3)) == []


def test_all_that_is_timed_can_be_timed_once_more(timed, run, suite: Suite) -> None:
    asked = timed()
    assert run("speed", "example.yaml", "--again", "--longer", "3")[0] == 0
    ((_, *arguments),) = asked
    assert arguments[:3] == ["example.yaml", "--longer", "3"]
    plans = [case.id for case in suite.cases if not case.is_baseline]
    assert [argument for argument in arguments if ".hourglass." in argument] == plans
    assert "--again" not in arguments
