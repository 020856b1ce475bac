"""Shards on disk: what is merged, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hourglass.bench.measuring.types import Shard
from hourglass.bench.results import shards
from hourglass.bench.suites.case import Case
from hourglass.bench.suites.suite import Suite
from hourglass.registry import UserError

PROVENANCE = {"code": "c0de", "weights": "feed", "settings": {}, "machine": "one", "time": "1", "data": "beef"}


@pytest.fixture
def case(suite: Suite) -> Case:
    return suite.cases[0]


def partial(count: int) -> Any:
    return {
        "state": {"semantic-segmentation/miou": [[count, 1], [0, 2]]},
        "categories": [[0, "road", False, [0, 0, 0]], [1, "sky", False, [9, 9, 9]]],
        "samples": {"images": count},
        "conditions": {},
    }


def save(results: Path, case: Case, number: int, of: int = 2, **provenance: Any) -> Path:
    return shards.save(results, case, Shard(number, of), partial(number), {**PROVENANCE, **provenance})


def test_shards_become_one_measurement(case: Case, tmp_path: Path) -> None:
    save(tmp_path, case, 2, machine="two", time="2")
    save(tmp_path, case, 1)
    record = shards.merge(tmp_path, case, 2)
    assert record.values["pixel_accuracy"] == (1 + 2 + 2 + 2) / (1 + 2 + 2 * (1 + 2))
    assert record.samples == {"images": 3}
    assert record.provenance == {**PROVENANCE, "machine": "one, two", "time": "1, 2", "shards": 2}


def test_a_missing_shard_is_named(case: Case, tmp_path: Path) -> None:
    save(tmp_path, case, 1)
    with pytest.raises(UserError, match=r"2-of-2\.json: no such file; run `hourglass accuracy .* --shard 2/2` first"):
        shards.merge(tmp_path, case, 2)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"schema_version": 2}'])
def test_a_damaged_shard_is_named(case: Case, tmp_path: Path, content: str) -> None:
    save(tmp_path, case, 1)
    save(tmp_path, case, 2).write_text(content)
    with pytest.raises(UserError, match=r"2-of-2\.json: is damaged; delete it and run `hourglass accuracy"):
        shards.merge(tmp_path, case, 2)


@pytest.mark.parametrize("changes", [{"state": 3}, {"state": None}, {"categories": 3}, {"samples": None}])
def test_a_shard_with_another_content_is_one_line(case: Case, tmp_path: Path, changes: dict[str, object]) -> None:
    for number in (1, 2):
        path = save(tmp_path, case, number)
        stored = json.loads(path.read_text())
        stored["partial"] |= changes
        path.write_text(json.dumps(stored))
    with pytest.raises(UserError, match=r"shards: one of them is damaged \(.*\); delete them and run the suite again"):
        shards.merge(tmp_path, case, 2)


@pytest.mark.parametrize("name", ["code", "weights", "settings", "data"])
def test_shards_of_different_measurements_are_not_merged(case: Case, tmp_path: Path, name: str) -> None:
    save(tmp_path, case, 1)
    save(tmp_path, case, 2, **{name: "other"})
    with pytest.raises(UserError, match=rf"2-of-2\.json: {name} is other, but .* in 1-of-2\.json; delete"):
        shards.merge(tmp_path, case, 2)


def test_a_shard_of_another_plan_is_not_merged(case: Case, tmp_path: Path) -> None:
    save(tmp_path, case, 1)
    path = save(tmp_path, case, 2)
    stored = json.loads(path.read_text())
    stored["case"]["batch"] = 7
    path.write_text(json.dumps(stored))
    with pytest.raises(UserError, match="was measured with other settings than the suite has now"):
        shards.merge(tmp_path, case, 2)


def test_the_number_of_shards_is_no_part_of_a_case(suite_text: str, suite: Suite, tmp_path: Path) -> None:
    path = tmp_path / "example.yaml"
    path.write_text(suite_text.replace("accuracy:", "shards: 3\n    accuracy:", 1) + "shards: 2\n")
    sharded = Suite.read(path)
    assert sharded.cases == suite.cases
    assert [sharded.shards_of(case) for case in sharded.cases] == [3, 3, 3, 2, 2]
    assert {suite.shards_of(case) for case in suite.cases} == {1}
