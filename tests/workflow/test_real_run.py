"""The tiny suite with the real models and data, from nothing to a verdict."""

from __future__ import annotations

import json
from typing import Any

import pytest

PLANS = ("baseline.full", "hourglass.mild")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.xdist_group("real run")]


@pytest.fixture(scope="module")
def run(real_folder: Any) -> Any:
    finished = real_folder("two")
    first = finished.run()
    assert "nothing has been accepted yet" in first.stdout, first.stdout
    assert not finished.hourglass("accept", "tiny.yaml", "--reason", "first results").returncode
    second = finished.run()
    assert not second.returncode, second.stdout
    return finished


def test_every_number_says_where_it_comes_from(run: Any) -> None:
    files = [path for path in run.results.glob("*.scenes.*/*.json") if path.stem in ("accuracy", "cost", "speed")]
    assert files
    for path in files:
        record = json.loads(path.read_text())
        assert record["values"], path
        known = record["provenance"]
        for name in ("commit", "dirty", "packages", "machine", "weights", "settings", "seed", "device", "attention"):
            assert name in known, (path, name)
        assert record["measurement"] != "accuracy" or known["data"]


def test_the_hourglass_saves_work_and_keeps_its_accuracy(run: Any) -> None:
    baseline, mild = (_values(run, plan, "cost") for plan in PLANS)
    assert mild["gmacs_executed"] < 0.9 * baseline["gmacs_executed"]
    assert mild["parameters"] == baseline["parameters"]
    baseline, mild = (_values(run, plan, "accuracy") for plan in PLANS)
    assert mild["miou"] > 0.9 * baseline["miou"]


def test_one_core_gives_the_same_digits_as_two(run: Any, real_folder: Any) -> None:
    alone = real_folder("one")
    targets = [f"results/tiny/{name}" for name in run.values()]
    again = alone.command(*alone.snakemake("--cores", "1", *targets))
    assert not again.returncode, again.stdout
    assert len(targets) == 4
    assert alone.values() == run.values()


def _values(run: Any, plan: str, measurement: str) -> Any:
    path = run.results / f"semantic-segmentation.segmenter-scenes.scenes.{plan}" / f"{measurement}.json"
    return json.loads(path.read_text())["values"]
