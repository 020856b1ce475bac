from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hourglass.bench.pictures.layers import encoded
from hourglass.bench.results import gallery
from hourglass.bench.results.records import Record, save
from hourglass.bench.suites.suite import Suite


@pytest.fixture
def results(tmp_path: Path, suite: Suite, records: list[Record]) -> Path:
    """A folder of measurements with pictures."""
    for number, case in enumerate(suite.cases):
        layer = np.zeros((24, 32, 4), np.uint8)
        layer[:, 4 * number : 16] = (200, 10, 10, 200)
        pictures = {"image": encoded(layer[..., :3]), "truth": encoded(layer), "prediction": encoded(layer)}
        entry = {"index": 2, "name": "photo", "values": {"miou": 0.5, "x": None}, "pictures": pictures}
        gallery.save(tmp_path / "results", case, [entry, {"index": 3, "name": "other", "error": "not drawn"}])
    for record in records:
        save(tmp_path / "results", record)
    return tmp_path / "results"
