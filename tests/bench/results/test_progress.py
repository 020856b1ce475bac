from __future__ import annotations

from pathlib import Path

import pytest

from hourglass.bench.results.progress import Event, Journal, Progress, due
from hourglass.bench.results.state import State
from hourglass.bench.suites.suite import Suite


def event(kind, case: str, seconds: float, measurement="accuracy", message: str = "") -> Event:
    return Event(kind, measurement, case, seconds, message)


def test_a_journal_tells_each_reader_what_is_new(tmp_path: Path, suite: Suite) -> None:
    case = suite.cases[1]
    writer = Journal(tmp_path, "example")
    writer.write("started", "speed", case)
    late = Journal(tmp_path, "example")
    writer.write("failed", "speed", case, "out of\nmemory")
    (told,) = late.news()
    assert (told.kind, told.measurement, told.case, told.message) == ("failed", "speed", case.id, "out of\nmemory")
    assert late.news() == []
    assert [each.kind for each in writer.news()] == ["started", "failed"]


def test_half_a_line_is_left_for_later(tmp_path: Path, suite: Suite) -> None:
    journal = Journal(tmp_path, "example")
    journal.write("started", "cost", suite.cases[0])
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole[:-10])
    assert journal.news() == []
    journal.path.write_bytes(whole)
    assert len(journal.news()) == 1


def test_a_line_that_says_nothing_is_left_out(tmp_path: Path, suite: Suite) -> None:
    journal = Journal(tmp_path, "example")
    journal.path.parent.mkdir(parents=True)
    journal.path.write_bytes(b'{"kind": "star\n\xff\xfe\n[1]\n{"kind": "started"}\n')
    journal.write("started", "cost", suite.cases[0])
    (event,) = journal.news()
    assert event.case == suite.cases[0].id


def test_without_a_journal_nothing_is_new(tmp_path: Path) -> None:
    assert Journal(tmp_path, "example").news() == []


def test_the_estimate_follows_from_what_is_finished() -> None:
    progress = Progress({"accuracy": 4}, began=0)
    assert progress.seconds_left(0) is None
    progress.add([event("started", "a", 0), event("started", "b", 0), event("finished", "a", 10)])
    # One took 10 s, three are left; of the running one 10 s have gone by.
    assert progress.seconds_left(10) == pytest.approx(20)
    progress.add([event("finished", "b", 10)])
    # Two at a time: two are left, both can run at once.
    assert progress.seconds_left(10) == pytest.approx(10)


def test_progress_in_words() -> None:
    progress = Progress({"accuracy": 3, "speed": 1}, began=0)
    assert progress.in_words(0) == "0 of 4 measurements done, 0 running, 4 left, no estimate yet"
    progress.add([event("started", "a", 0), event("failed", "a", 5), event("started", "b", 5)])
    assert progress.in_words(6) == "1 of 4 measurements done, 1 failed, 1 running, 2 left, no estimate yet"
    progress.add([event("finished", "b", 245), event("started", "c", 245), event("finished", "c", 485)])
    progress.add([event("started", "c", 485, "speed"), event("finished", "c", 500, "speed")])
    assert progress.in_words(500) == "4 of 4 measurements done, 1 failed, 0 running, 0 left"


def test_only_what_is_due_counts(suite: Suite) -> None:
    found = [
        State(suite.cases[0], "accuracy", "finished"),
        State(suite.cases[0], "cost", "stale", "why"),
        State(suite.cases[1], "speed", "left out", "why"),
    ]
    assert due(found) == {"cost": 1}
