"""What cannot be measured is said before: plans that do not fit a model, models that do not fit the data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hourglass.bench.measuring import cases
from hourglass.bench.suites.case import Case
from hourglass.bench.suites.suite import Suite

DATA = Path("data")


def case(plan: str = "strong", **changes: Any) -> Case:
    listed = {each.plan: each for each in Suite.read("embedded").cases if each.model == "segmenter-scenes"}
    return listed[plan].model_copy(update=changes)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_what_fits_has_no_obstacle(precision: str) -> None:
    assert cases.obstacle(case(precision=precision), DATA) is None
    assert cases.obstacle(case("full", precision=precision), DATA) is None


def test_more_clusters_than_an_image_has_tokens_are_an_obstacle() -> None:
    settings = {**case().settings, "clusters": [999, 999]}
    why = cases.obstacle(case(settings=settings), DATA)
    assert why is not None
    assert why.startswith("plan.clusters 999 x 999 are more than the 32 x 32 tokens")


def test_a_data_set_with_other_classes_is_an_obstacle() -> None:
    why = cases.obstacle(case("full", dataset="ade20k"), DATA)
    assert why == "model: gives 11 classes, but the data set has 150; choose the data set it was made for"
    assert cases.obstacle(case("full", dataset="ade20k", scored=False), DATA) is None
