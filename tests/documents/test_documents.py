"""What the documentation tells readers to do works, and the numbers it shows are the accepted ones."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hourglass.bench.suites.suite import Suite

from .blocks import Block, blocks

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCKS = [block for document in DOCUMENTS for block in blocks(document)]
LINK = re.compile(r"\]\((?!https?://|#|pictures/)([^)#]+)")  # pictures are drawn when the site is built


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder that looks like a clone whose environment is ready, with a photograph and a small checkpoint in it."""
    for file in ("Makefile", "Snakefile", "pyproject.toml", "envs", "workflows", "hourglass", "docs"):
        (tmp_path / file).symlink_to(ROOT / file)
    for folder in ("definitions", "paper"):
        (tmp_path / "tables").mkdir(exist_ok=True)
        (tmp_path / "tables" / folder).symlink_to(ROOT / "tables" / folder)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    ready = tmp_path / ".venv" / ".ready"
    ready.touch()
    os.utime(ready, (2**32, 2**32))  # never older than what it is made from: nothing may be installed
    photograph(tmp_path / "photo.jpg")
    checkpoint(tmp_path / "Intel" / "dpt-large")
    return tmp_path


def photograph(path: Path) -> None:
    import numpy as np
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 255, (12, 16, 3), np.uint8)
    Image.fromarray(pixels).resize((320, 240)).save(path)


def checkpoint(folder: Path) -> None:
    """A small random model under the name of a published one: transformers takes a folder for a checkpoint."""
    import transformers

    config = transformers.DPTConfig(
        hidden_size=32, num_hidden_layers=24, num_attention_heads=2, intermediate_size=64, image_size=384,
        backbone_out_indices=[5, 11, 17, 23], neck_hidden_sizes=[8, 8, 8, 8], fusion_hidden_size=8,
    )  # fmt: skip
    transformers.DPTForDepthEstimation(config).save_pretrained(folder)
    transformers.DPTImageProcessor(size={"height": 384, "width": 384}).save_pretrained(folder)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("document", sorted({block.document for block in BLOCKS}), ids=name)
def test_the_blocks_of_a_document_run(document: Path, clone: Path) -> None:
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("HOURGLASS", "WANDB", "MAKE"))
    }
    environment |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HF_HUB_OFFLINE": "1",
        "WANDB_MODE": "offline",
    }
    driver = Path(__file__).with_name("blocks.py")
    done = subprocess.run(
        [sys.executable, driver, document], cwd=clone, env=environment, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert not done.returncode, done.stdout


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.reason is not None], ids=lambda b: f"{b.line}")
def test_a_block_that_is_not_run_says_why(block: Block) -> None:
    assert len(block.reason or "") > 10


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "python"], ids=lambda b: f"{b.line}")
def test_python_is_python(block: Block) -> None:
    compile(block.text, str(block.document), "exec")


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_lead_somewhere(document: Path) -> None:
    for link in LINK.findall(document.read_text()):
        assert (document.parent / link).exists(), link


def test_every_make_target_in_the_text_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+)(?:-%)?:", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        for target in re.findall(r"`make ([a-z-]+)", document.read_text()):
            assert target in targets or target.rpartition("-")[0] in {"train", "env"}, (document, target)


def headline() -> list[dict[str, str]]:
    """Rows of the tables of results in the README."""
    found = []
    header: list[str] = []
    for line in (ROOT / "README.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if "Speed-up" in cells:
            header = cells
        elif not cells:
            header = []
        elif header and not set(line) <= set("|-: "):
            found.append(dict(zip(header, cells, strict=True)))
    return found


@pytest.mark.parametrize("row", headline(), ids=lambda row: f"{row['Task']} on {row['Dataset']}")
def test_the_results_in_the_readme_are_the_accepted_ones(row: dict[str, str]) -> None:
    suite = {"scenes": "embedded"}.get(row["Dataset"], "photos")
    cases = yaml.safe_load((ROOT / "tables" / "accepted" / f"{suite}.yaml").read_text())["cases"]
    where = ".".join(row[column] for column in ("Task", "Model", "Dataset"))
    baseline = cases[f"{where}.baseline.full"]
    case = baseline if row["Plan"] == "full" else cases[f"{where}.hourglass.{row['Plan']}"]
    metric = next(each.accuracy.metric for each in Suite.read(suite).experiments if each.task == row["Task"])
    before, after = (each["accuracy"]["values"][metric] for each in (baseline, case))
    gmacs = [each["cost"]["values"]["gmacs_executed"] for each in (baseline, case)]
    assert row["Baseline [%]"] == f"{100 * before:.2f}"
    assert row["Hourglass [%]"] == f"{100 * after:.2f}"
    assert row["Kept [%]"] == f"{100 * after / before:.1f}"
    assert row["GMACs"] == f"{gmacs[1]:.2f}"
    assert row["Saved [%]"] == f"{100 * (1 - gmacs[1] / gmacs[0]):.0f}"
    if row["Plan"] == "full":
        assert row["Speed-up"] == "—"
    else:
        speed = case["speed"]["values"]
        low, high = speed["speedup_low"], speed["speedup_high"]
        assert row["Speed-up"] == f"{speed['speedup']:.2f} [{low:.2f}, {high:.2f}]"


def test_the_readme_shows_all_five_tasks() -> None:
    assert len({row["Task"] for row in headline() if row["Dataset"] == "scenes"}) == 5
