"""How a run is shown, with commands that are no suite's run."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

from hourglass.bench.cli.display import Display
from hourglass.bench.results.progress import Event, Progress
from hourglass.bench.results.records import Record, path_of, save
from hourglass.bench.results.state import note_failure
from hourglass.bench.suites.suite import Suite

ROOT = Path(__file__).parents[3]
JOURNAL = """
import sys
from pathlib import Path
from hourglass.bench.results.progress import Journal
from hourglass.bench.suites.suite import Suite
suite = Suite.read("example.yaml")
journal = Journal(Path("results"), "example")
journal.write("started", "accuracy", suite.cases[1])
journal.write("finished", "accuracy", suite.cases[1])
journal.write("started", "speed", suite.cases[1])
journal.write("failed", "speed", suite.cases[1], "out of memory")
print("what the command says")
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def folder(tmp_path: Path, suite: Suite, records: list[Record], monkeypatch: pytest.MonkeyPatch) -> Path:
    for record in records:
        save(tmp_path / "results", record)
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "definitions").symlink_to(ROOT / "tables" / "definitions")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_log_has_a_line_for_each_event_and_the_outcome(run, folder: Path) -> None:
    code, out, _ = run("watch", "example.yaml", "--", sys.executable, "-c", JOURNAL, "0")
    case = "semantic-segmentation.segmenter-scenes.scenes.hourglass.mild"
    assert code == 0
    assert f"accuracy of {case}; 1 of 8 measurements done, 0 running, 7 left, no estimate yet\n" in out
    assert f"failed: speed of {case}: out of memory\n" in out
    assert "Headline" in out
    assert "verdict: failed (" in out
    assert Path("results/run.log").read_text() == "what the command says\n"
    assert "what the command says" not in out


def test_a_command_that_fails_for_another_reason_shows_its_last_lines(run, folder: Path) -> None:
    assert run("accept", "example.yaml", "--reason", "first results")[0] == 0
    program = "import sys; print('\\n'.join(map(str, range(99))), flush=True); sys.exit('the reason')"
    code, out, _ = run("watch", "example.yaml", "--", sys.executable, "-c", program)
    assert code == 1
    assert "the reason" in out
    assert "\n98\n" in out
    assert "\n50\n" not in out
    assert "the run failed; its logs: results/example/logs, results/run.log" in out


def test_without_any_measurement_there_is_no_outcome(run, tmp_path: Path, suite: Suite, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = run("watch", "example.yaml", "--", "true")
    assert code == 0
    assert "results/example: holds no measurements" in out


def test_a_wrong_suite_runs_nothing(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run("watch", "embeded", "--", "touch", "ran")
    assert (code, err) == (2, "hourglass: unknown suite 'embeded'; did you mean 'embedded'?\n")
    assert not Path("ran").exists()


def test_at_a_terminal_there_are_bars(suite: Suite) -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=120)
    display = Display(console, Progress({"accuracy": 5, "speed": 3}, began=0))
    with display.live():
        display.show([Event("started", "accuracy", suite.cases[1].id, 0)])
        display.show([Event("failed", "speed", suite.cases[1].id, 1, "out of memory")])
    shown = text.getvalue()
    assert "0/5" in shown
    assert "1/3" in shown
    assert "hourglass.mild" in shown
    assert "out of memory" in shown
    assert "1 of 8 measurements done, 1 failed, 1 running, 6 left, no estimate yet" in shown


def test_the_status_of_every_case(run, folder: Path, suite: Suite) -> None:
    mild, strong = suite.cases[1:3]
    path_of(folder / "results", mild, "cost").unlink()
    path_of(folder / "results", strong, "cost").unlink()
    note_failure(folder / "results", strong, "cost", "no kernel [for] that")
    code, out, _ = run("status", "example.yaml")
    assert code == 0
    lines = {line.split()[0]: line.split()[1:] for line in out.splitlines() if "scenes" in line and ": " not in line}
    assert lines[mild.id] == ["stale", "missing", "stale"]
    assert lines[strong.id] == ["stale", "failed", "stale"]
    assert f"{strong.id}: cost: failed: no kernel [for] that" in out
    assert "stale: the weights of 'segmenter-scenes' have changed" in out
    assert out.endswith("8 stale, 3 finished, 1 missing, 1 failed\n")
