"""A page about the small suite, with pictures, as a file beside its measurements."""

from __future__ import annotations

import random
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from hourglass.bench.pictures.layers import encoded
from hourglass.bench.report.page import render
from hourglass.bench.results import gallery
from hourglass.bench.results.outcome import Outcome
from hourglass.bench.results.records import Record, save
from hourglass.bench.results.verdict import Verdict
from hourglass.bench.suites.case import Case
from hourglass.bench.suites.suite import Suite
from hourglass.bench.tables.build import build
from hourglass.bench.tables.content import Content
from hourglass.bench.tables.definition import load_all
from hourglass.bench.tables.model import Table

ROOT = Path(__file__).parents[3]
REGRESSED = Verdict(
    "semantic-segmentation.segmenter-scenes.scenes.hourglass.strong",
    "accuracy", "miou", "regressed", 0.735, 0.745, "0.735 now, <0.745> accepted", fails=True,
)  # fmt: skip
QUALITY = {"full": 0.0, "mild": 0.01, "strong": 0.1}


def entries(case: Case) -> list[dict[str, object]]:
    """Two images: squares that move with the plan, the more on the second one."""
    found = []
    for index in (0, 1):
        lost = QUALITY[case.plan] * (1 + index)
        image = np.full((24, 32, 3), 90 + 40 * index, np.uint8)
        layer = np.zeros((24, 32, 4), np.uint8)
        layer[4:12, 4 + round(40 * lost) : 14] = (200, 30, 30, 153)
        pictures = {"image": encoded(image, photo=True), "truth": encoded(layer), "prediction": encoded(layer)}
        if not case.is_baseline:
            pictures["clusters"] = encoded(layer)
        values = {"miou": 0.8 - lost, "delta1": 0.9 - lost}
        found.append({"index": index, "name": f"photo{index}", "values": values, "pictures": pictures})
    return found


def timed(record: Record) -> Record:
    """The same with the time of every run; one run takes very long."""
    rng = random.Random(record.case.id)
    medians = {"baseline": "baseline_latency_ms", "method": "latency_ms", "control": "baseline_latency_ms"}
    times = {
        name: [record.values[value] / 1000 * rng.uniform(1, 1.05) for _ in range(9)] for name, value in medians.items()
    }
    times["method"].append(9 * median(times["method"]))
    return record.model_copy(update={"samples": {"latency_s": times}})


@pytest.fixture
def outcome(suite: Suite, records: list[Record]) -> Outcome:
    measured = [timed(record) if record.measurement == "speed" else record for record in records]
    return Outcome(suite, measured, suite.metrics(), [REGRESSED])


@pytest.fixture
def tables(outcome: Outcome) -> list[Table]:
    content = Content(outcome)
    definitions = load_all(ROOT / "tables", outcome.suite)
    return [build(name, definition, content) for name, definition in definitions.items()]


@pytest.fixture
def galleries(suite: Suite) -> dict[str, tuple[gallery.Entry, ...]]:
    return {case.id: tuple(gallery.Entry(**entry) for entry in entries(case)) for case in suite.cases}


@pytest.fixture
def page(outcome: Outcome, tables: list[Table], tmp_path: Path, suite: Suite) -> Path:
    results = tmp_path / "results"
    for record in outcome.records:
        save(results, record)
    for case in suite.cases:
        gallery.save(results, case, entries(case))
    stored = {case.id: gallery.load(results, case) for case in suite.cases}
    path = results / suite.name / "report.html"
    accepted = tmp_path / "tables" / "accepted" / f"{suite.name}.yaml"
    accepted.parent.mkdir(parents=True)
    accepted.touch()
    link = f"../../tables/accepted/{suite.name}.yaml"
    path.write_text(render(outcome, tables, stored, accepted=link), encoding="utf-8")
    return path
