from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hourglass.bench.results.records import (
    Record,
    common_provenance,
    comparable,
    load,
    load_all,
    path_of,
    record,
    rows,
    save,
    to_csv,
)
from hourglass.bench.suites.suite import Suite
from hourglass.registry import UserError


def test_what_is_saved_is_loaded(tmp_path: Path, suite: Suite, records: list[Record]) -> None:
    for stored in records:
        save(tmp_path, stored)
    assert load_all(tmp_path, suite).records == records


def test_what_was_not_measured_is_not_there(tmp_path: Path, suite: Suite) -> None:
    assert load(tmp_path, suite.cases[0], "cost") is None
    assert load_all(tmp_path, suite).records == []


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_is_not_stored(suite: Suite, value: float) -> None:
    with pytest.raises(UserError, match=r"mild: accuracy: values.miou is (nan|inf): .*finite number.*; not stored"):
        record("accuracy", suite.cases[1], {"miou": value}, {}, {})


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda content: content[:100], "content: Invalid JSON"),
        (lambda content: b"", "content: Invalid JSON"),
        (lambda content: bytes(range(128, 256)), "content: Invalid JSON"),
        (lambda content: b"[" * 100_000, "content: Invalid JSON"),
        (lambda content: b"[1, 2]", "content: Input should be an object"),
        (lambda content: content.replace(b'"miou": 0.75', b'"miou": "good"'), "values.miou.*: Input should be"),
        (lambda content: content.replace(b'"miou": 0.75', b'"miou": NaN'), "values.miou.*: Input should be a finite"),
        (lambda content: content.replace(b'"miou": 0.75', b'"miou": 1e300'), "values.miou.*less than or equal to"),
        (
            lambda content: content.replace(b'"miou": 0.75', b'"miou": 1' + b"0" * 400),
            "values.miou.*less than or equal",
        ),
        (lambda content: content.replace(b'"samples": {}', b'"samples": 3'), "samples: Input should be"),
    ],
)
def test_a_damaged_file_is_named_and_the_others_are_read(
    tmp_path: Path, suite: Suite, records: list[Record], damage: Callable[[bytes], bytes], said: str
) -> None:
    paths = [save(tmp_path, each) for each in records]
    content = paths[0].read_bytes()
    assert damage(content) != content
    paths[0].write_bytes(damage(content))
    with pytest.raises(UserError, match=rf"accuracy.json: {said}.*; delete the file and measure again"):
        load(tmp_path, suite.cases[0], "accuracy")
    stored = load_all(tmp_path, suite)
    assert stored.records == records[1:]
    assert list(stored.unreadable) == [(suite.cases[0].id, "accuracy")]


def test_a_folder_in_place_of_a_file_is_named(tmp_path: Path, suite: Suite, records: list[Record]) -> None:
    path_of(tmp_path, records[0].case, "accuracy").mkdir(parents=True)
    with pytest.raises(UserError, match=r"accuracy.json: cannot be read: Is a directory; delete it and measure again"):
        load(tmp_path, suite.cases[0], "accuracy")


def test_a_result_of_other_settings_is_refused(tmp_path: Path, suite: Suite, records: list[Record]) -> None:
    path = save(tmp_path, records[0])
    path.write_text(path.read_text().replace('"batch": 1', '"batch": 2'))
    with pytest.raises(UserError, match="was measured with other settings than the suite has now; run the suite again"):
        load(tmp_path, suite.cases[0], "accuracy")


def test_absent_zero_and_not_applicable_are_three_things(suite: Suite) -> None:
    stored = record("accuracy", suite.cases[0], {"zero": 0.0, "not_applicable": None}, {}, {})
    table = rows([stored])
    assert [(row.quantity, row.value) for row in table] == [("zero", 0.0), ("not_applicable", None)]
    assert ",zero,0.0," in to_csv(table)
    assert ",not_applicable,," in to_csv(table)


def test_the_tidy_table_keeps_every_digit_and_kind(records: list[Record]) -> None:
    table = rows(records)
    values = (0.1 + 0.2, 10**18 + 1, 1e-300)
    text = to_csv(replace(row, value=value) for row, value in zip(table, values, strict=False))
    assert [line.split(",")[-2] for line in text.splitlines()[1:]] == [repr(value) for value in values]


def test_every_row_names_its_file(tmp_path: Path, records: list[Record]) -> None:
    for stored in records:
        save(tmp_path, stored)
    assert all((tmp_path / row.file).is_file() for row in rows(records))
    assert path_of(Path(), records[0].case, "cost").as_posix() == f"example/{records[0].case.id}/cost.json"


def test_cost_needs_no_condition_but_the_case(records: list[Record]) -> None:
    of_case = comparable(records)[records[-1].case.id]
    assert set(of_case["cost"].conditions) == {"settings", "images", "batch"}
    assert {"weights", "data", "device", "attention", "precision", "protocol"} <= set(of_case["accuracy"].conditions)
    assert {"machine", "threads"} <= set(of_case["speed"].conditions)


def test_how_images_lie_in_memory_is_a_condition_where_it_is_unusual(records: list[Record]) -> None:
    first = {each.measurement: each for each in records}
    for measurement, usual in first.items():
        case = usual.case.model_copy(update={"memory_format": "channels_last"})
        last = record(measurement, case, usual.values, usual.samples, usual.provenance)
        assert "memory_format" not in usual.conditions
        assert ("memory_format" in last.conditions) == (measurement != "cost")


def test_provenance_in_short(suite: Suite) -> None:
    def made(**provenance: object) -> Record:
        return record("cost", suite.cases[0], {}, {}, provenance)

    several = [made(commit=f"{number}", device="cpu", packages={"torch": "2"}, driver=None) for number in range(9)]
    assert common_provenance(several) == {"commit": "0 to 8", "device": "cpu", "packages": "torch 2", "driver": "none"}
    assert common_provenance(several[:2])["commit"] == "0, 1"
