from __future__ import annotations

import errno
import re
import subprocess
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path
from textwrap import dedent

import pytest

from hourglass.bench import cli
from hourglass.bench.measuring import cases
from hourglass.bench.measuring.provenance import commit
from hourglass.bench.results.records import Record, path_of, save
from hourglass.bench.suites.suite import Suite

ROOT = Path(__file__).parents[3]


@pytest.fixture
def measured(tmp_path: Path, suite_text: str, records: list[Record], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arguments for a suite that was measured."""
    for record in records:
        save(tmp_path / "results", record)
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "definitions").symlink_to(ROOT / "tables" / "definitions")
    monkeypatch.chdir(tmp_path)
    return ["example.yaml"]


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_mistake_is_one_line_and_exit_code_2(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, elsewhere: bool
) -> None:
    monkeypatch.chdir(tmp_path if elsewhere else ROOT)
    code, out, err = run("validate", "embeded")
    assert (code, out) == (2, "")
    assert err == "hourglass: unknown suite 'embeded'; did you mean 'embedded'?\n"


def test_a_commit_that_git_does_not_tell_is_said_before_anything_is_measured(
    run, tmp_path: Path, suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a clone that belongs to somebody else."""
    git = tmp_path / "bin" / "git"
    git.parent.mkdir()
    git.write_text(
        "#!/bin/sh\necho \"fatal: detected dubious ownership in repository at '/here'\n\tsafe\" >&2\nexit 128\n"
    )
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(git.parent))
    monkeypatch.delenv("HOURGLASS_COMMIT", raising=False)
    commit.cache_clear()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cases, "cost", lambda *_, **__: pytest.fail("it was measured"))
    code, out, err = run("cost", "example.yaml", suite.cases[0].id)
    assert (code, out) == (2, "")
    assert err.startswith(
        "hourglass: provenance: unknown commit (fatal: detected dubious ownership in repository at '/"
    )
    assert err.endswith("run from a git clone or set HOURGLASS_COMMIT\n")
    assert err.count("\n") == 1
    assert not Path("results").exists()


def test_results_that_cannot_be_written_are_said_before_anything_is_measured(
    run, tmp_path: Path, suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOURGLASS_COMMIT", "c" * 40)
    monkeypatch.chdir(tmp_path)
    Path("results").write_text("a file where a folder should be")
    for name in ("costs", "accuracies", "speed"):
        monkeypatch.setattr(cases, name, lambda *_, **__: pytest.fail("it was measured"))
    for command, case in (("cost", 0), ("accuracy", 0), ("speed", 1)):
        code, out, err = run(command, "example.yaml", suite.cases[case].id)
        assert (code, out) == (2, "")
        assert re.fullmatch(r"hourglass: results/.*: cannot be written: .*; make its folder writable.*\n", err)


def test_without_a_gpu_its_check_is_one_line(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    code, out, err = run("gpu-check")
    assert (code, out) == (2, "")
    assert err == (
        "hourglass: gpu-check: torch sees no CUDA device, so nothing was checked; --rehearse runs on the CPU\n"
    )


def test_a_suite_without_measurements_says_so(run, measured: list[str]) -> None:
    code, _, err = run("tables", *measured, "--results", "elsewhere")
    assert code == 2
    assert "elsewhere/example: holds no measurements; run `make suite SUITE=example` first" in err


def test_from_results_to_tables_report_and_verdict(run, measured: list[str]) -> None:
    for stage in ("tables", "report", "verdict", "export"):
        assert run(stage, *measured)[0] == 0
    assert "Speed-up" in Path("results/example/tables/headline.md").read_text()
    assert Path("results/example/report.html").read_text().startswith("<!doctype html>")
    code, out, _ = run("check", *measured)
    assert code == 1
    assert "missing: " in out
    assert "nothing has been accepted yet" in out
    assert run("accept", *measured, "--reason", "first results")[0] == 0
    code, out, _ = run("check", *measured)
    assert (code, out) == (0, "52 pass\n")


def test_an_accepted_value_in_the_report_leads_to_its_file(run, measured: list[str]) -> None:
    run("accept", *measured, "--reason", "first results")
    accepted = Path("tables/accepted/example.yaml")
    accepted.write_text(accepted.read_text().replace("miou: 0.75", "miou: 0.80"))
    assert run("report", *measured)[0] == 0
    link = re.search(r'<a href="([^"]+)">0.8</a>', Path("results/example/report.html").read_text())
    assert link is not None
    assert Path("results/example", link[1]).resolve() == accepted.resolve()


def test_the_verdict_is_told_to_github_and_to_weights_and_biases(
    run, measured: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    monkeypatch.setenv("WANDB_MODE", "offline")
    Path("summary.md").write_text("before\n")
    code, out, _ = run("annotate", *measured)
    assert code == 0
    assert out.startswith("::error title=missing::")
    assert Path("summary.md").read_text().startswith("before\n## An example: failed\n")
    code, out, _ = run("wandb-report", *measured)
    assert code == 0
    assert out.startswith("# An example\n")
    assert out.endswith("not published: run `wandb login` or set WANDB_API_KEY\n")


@pytest.mark.slow
@pytest.mark.framework
def test_tables_beside_the_paper_from_nothing(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = """\
        name: quoted
        version: 1
        title: One published table
        experiments:
          - task: object-detection
            model: dino-swin-l-coco
            dataset: coco
            published: dino/dino
            accuracy: { metric: box_ap, floor: 0.58, tolerance: 0.001 }
        """
    (tmp_path / "quoted.yaml").write_text(dedent(suite))
    (tmp_path / "tables").symlink_to(ROOT / "tables")
    monkeypatch.chdir(tmp_path)
    assert len(run("cost", "quoted.yaml")[1].splitlines()) == 4
    code, out, _ = run("tables", "quoted.yaml")
    assert code == 0
    assert out.count("dino-swin-l-coco") == 4
    assert "683.00 |       682.99 |         ±0.00 |" in out
    assert Path("results/quoted/tables/paper-object-detection.tex").is_file()
    assert run("cost", "quoted.yaml")[1] == ""
    case = "object-detection.dino-swin-l-coco.coco.hourglass.a10-8x8"
    Path(f"results/quoted/{case}/cost.json").write_text("{}")
    assert run("cost", "quoted.yaml")[1] == f"results/quoted/{case}/cost.json\n"


def test_an_empty_reason_is_not_accepted(run, measured: list[str]) -> None:
    code, _, err = run("accept", *measured, "--reason", "")
    assert code == 2
    assert "reason: is empty" in err


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("suites", "embedded"),
        ("tasks", "panoptic-segmentation"),
        ("models", "segmenter-scenes"),
        ("datasets", "camvid"),
        ("methods", "baseline"),
        ("recipes", "segmenter-scenes"),
        ("cases", "semantic-segmentation.segmenter-scenes.scenes.baseline.full"),
    ],
)
def test_names_are_listed(run, monkeypatch: pytest.MonkeyPatch, kind: str, name: str) -> None:
    monkeypatch.chdir(ROOT)
    code, out, _ = run("list", kind)
    assert code == 0
    assert name in out.splitlines()


def test_what_cannot_be_converted_is_said(run, tmp_path: Path) -> None:
    code, _, err = run("convert", "dpt-hybrid-nyuv2", "--checkpoint", str(tmp_path / "none.pt"))
    assert (code, err) == (2, f"hourglass: {tmp_path / 'none.pt'}: cannot be read: No such file or directory\n")


def test_the_command_starts_without_torch() -> None:
    program = "import sys, hourglass.bench.cli; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"


def test_a_terminal_without_the_symbols_shows_others(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = TextIOWrapper(BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(cli, "app", lambda: print("α 10, 28 × 28"))
    cli.main()
    terminal.flush()
    assert terminal.buffer.getvalue().decode("latin-1") == "? 10, 28 × 28\n"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "results/x.log"), "results/x.log: Permission denied"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk: No space left on device"),
    ],
)
def test_what_the_system_refuses_is_one_line(run, monkeypatch: pytest.MonkeyPatch, error, message: str) -> None:
    def refused() -> None:
        raise error

    monkeypatch.setattr(cli, "app", refused)
    assert run() == (2, "", f"hourglass: {message}\n")


def test_a_table_that_cannot_be_written_is_one_line(run, measured: list[str]) -> None:
    Path("results/example/tables").write_text("a file where a folder should be")
    code, _, err = run("tables", *measured)
    assert code == 2
    assert re.fullmatch(
        r"hourglass: results/example/tables/.*: cannot be written: .*; make its folder writable.*\n", err
    )


def test_a_damaged_measurement_keeps_nothing_else_from_being_told(
    run, measured: list[str], suite: Suite, tmp_path: Path
) -> None:
    assert run("accept", *measured, "--reason", "first results")[0] == 0
    damaged = path_of(Path("results"), suite.cases[1], "accuracy")
    damaged.write_text("{")
    said = f"{damaged}: content: Invalid JSON: EOF while parsing an object at line 1 column 1; delete the file"
    code, out, _ = run("check", *measured)
    assert code == 1
    assert f"missing: {suite.cases[1].id}: accuracy: {said} and measure again" in out
    assert " pass" in out
    for command in ("export", "tables", "report"):
        code, out, err = run(command, *measured)
        assert code == 0
        assert err == f"hourglass: {said} and measure again\n"
        assert out
    code, _, err = run("accept", *measured, "--reason", "half of them")
    assert (code, err) == (2, f"hourglass: {said} and measure again\n")
    assert suite.cases[2].id in Path("results/example/results.csv").read_text()


def test_what_was_exported_is_not_read_and_written_anew(run, measured: list[str]) -> None:
    assert run("accept", *measured, "--reason", "first results")[0] == 0
    for command, name in (("export", "results.csv"), ("verdict", "verdict.json")):
        assert run(command, *measured)[0] == 0
        file = Path("results/example") / name
        whole = file.read_bytes()
        file.write_bytes(whole[:100] + b"\xff")
        assert run("check", *measured)[0] == 0
        assert run(command, *measured)[0] == 0
        assert file.read_bytes() == whole
