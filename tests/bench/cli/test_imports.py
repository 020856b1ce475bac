"""Which of the modules that take long to import each command imports: none that it does not need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hourglass.bench.results.records import Record, save

ROOT = Path(__file__).parents[3]
HEAVY = (
    "torch", "torchvision", "timm", "transformers", "torchmetrics", "faster_coco_eval", "scipy", "matplotlib", "jinja2",
    "wandb", "pydantic", "numpy", "PIL", "h5py", "requests", "snakemake",
)  # fmt: skip
PROGRAM = f"""
import json, sys
from hourglass.bench import cli
code = 0
try:
    cli.main()
except SystemExit as ended:
    code = ended.code
print(json.dumps([code, [name for name in {HEAVY!r} if name in sys.modules]]))
"""
SUITE = {"pydantic", "numpy", "PIL"}
"""What a suite is read and validated with; pictures are opened by what knows the data sets."""


@pytest.fixture
def folder(tmp_path: Path, suite_text: str, records: list[Record]) -> Path:
    for record in records:
        save(tmp_path / "results", record)
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "definitions").symlink_to(ROOT / "tables" / "definitions")
    return tmp_path


def imported(folder: Path, *arguments: str) -> set[str]:
    environment = {**os.environ, "HOURGLASS_COMMIT": "c0ffee"}
    command = [sys.executable, "-c", PROGRAM, *arguments]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    code, found = json.loads(run.stdout.splitlines()[-1])
    assert code in (0, None, 1), run.stdout + run.stderr
    return set(found)


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["--help"], set()),
        (["check", "--help"], {"pydantic"}),  # of typer, for a command that has options
        (["list", "suites"], SUITE),
        (["list", "models"], SUITE),
        (["status", "example.yaml"], SUITE),
        (["watch", "example.yaml", "--", "true"], SUITE | {"jinja2"}),
        (["export", "example.yaml"], SUITE),
        (["verdict", "example.yaml"], SUITE),
        (["check", "example.yaml"], SUITE),
        (["accept", "example.yaml", "--reason", "a test"], SUITE),
        (["tables", "example.yaml"], SUITE | {"jinja2"}),
        (["report", "example.yaml"], SUITE | {"jinja2"}),
        (["annotate", "example.yaml"], SUITE | {"jinja2"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_imports_no_more_than_it_needs(folder: Path, arguments: list[str], allowed: set[str]) -> None:
    assert imported(folder, *arguments) <= allowed


@pytest.mark.parametrize(
    ("case", "not_needed"),
    [
        ("semantic-segmentation.segmenter-scenes.scenes.baseline.full", {"transformers", "faster_coco_eval", "scipy"}),
        ("depth-estimation.dpt-scenes.scenes.baseline.full", {"timm", "faster_coco_eval", "wandb"}),
    ],
)
def test_a_model_imports_no_framework_of_another(folder: Path, case: str, not_needed: set[str]) -> None:
    found = imported(folder, "cost", "example.yaml", case)
    assert "torch" in found
    assert not found & {*not_needed, "torchmetrics", "matplotlib", "snakemake", "requests"}
