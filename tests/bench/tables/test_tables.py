from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hourglass.bench.results.outcome import Outcome
from hourglass.bench.results.records import Record
from hourglass.bench.results.verdict import Verdict
from hourglass.bench.suites.suite import Suite
from hourglass.bench.tables.build import build
from hourglass.bench.tables.cells import setting_text
from hourglass.bench.tables.content import Content, share_kept
from hourglass.bench.tables.definition import TableDefinition, load_all
from hourglass.bench.tables.model import Table
from hourglass.bench.tables.render import FORMATS
from hourglass.registry import UserError

GOLDEN = Path(__file__).parent / "golden"
TABLES = Path(__file__).parents[3] / "tables"
MILD = "semantic-segmentation.segmenter-scenes.scenes.hourglass.mild"


@pytest.fixture
def content(suite: Suite, records: list[Record]) -> Content:
    regressed = Verdict(MILD, "accuracy", "miou", "regressed", 0.747, 0.8, "", fails=True)
    return Content(Outcome(suite, records, suite.metrics(), [regressed]))


@pytest.fixture
def tables(suite: Suite, content: Content) -> dict[str, Table]:
    return {name: build(name, definition, content) for name, definition in load_all(TABLES, suite).items()}


def test_a_suite_has_the_tables_of_its_tasks(tables: dict[str, Table]) -> None:
    assert list(tables) == ["front", "headline", "depth-estimation", "semantic-segmentation"]


def test_a_definition_can_be_for_some_suites_alone(tmp_path: Path, suite: Suite) -> None:
    folder = tmp_path / "definitions"
    folder.mkdir()
    columns = "columns:\n  - { header: A, value: accuracy.miou }\n"
    (folder / "everywhere.yaml").write_text(columns)
    (folder / "here.yaml").write_text(f"suites: [example, other]\n{columns}")
    (folder / "there.yaml").write_text(f"suites: [other]\n{columns}")
    assert list(load_all(tmp_path, suite)) == ["everywhere", "here"]


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("name", ["headline", "semantic-segmentation"])
def test_tables_are_byte_for_byte_what_they_were(tables: dict[str, Table], name: str, ending: str) -> None:
    assert FORMATS[ending](tables[name]) == (GOLDEN / f"{name}.{ending}").read_text(encoding="utf-8")


def test_a_cell_knows_where_it_comes_from(tables: dict[str, Table]) -> None:
    table = tables["semantic-segmentation"]
    column = [column.header for column in table.columns].index("mIoU [%] ↑")
    baseline, mild, strong = (row[column] for row in table.rows)
    assert (baseline.text, baseline.change_text, baseline.status) == ("75.00", "", "")
    assert (mild.text, mild.change_text, mild.status) == ("74.70", "−0.30", "regressed")
    assert strong.change == pytest.approx(-0.015)
    assert mild.source == f"example/{MILD}/accuracy.json"


def test_absent_and_not_applicable_look_different(suite: Suite, records: list[Record]) -> None:
    content = Content(Outcome(suite, records[:2], suite.metrics()))
    table = build("one", definition(value="accuracy.class_accuracy"), content)
    assert [row[0].text for row in table.rows] == ["n/a", "—", "—", "—", "—"]


@pytest.mark.parametrize("ending", FORMATS)
def test_a_setting_without_a_value_is_a_dash(content: Content, ending: str) -> None:
    table = build("one", definition(value="settings.temperature"), content)
    assert [row[0].text for row in table.rows] == ["—", "—", "—", "—", "—"]
    assert "None" not in FORMATS[ending](table)


@pytest.mark.parametrize(
    ("value", "text"), [(True, "yes"), (False, "no"), (0, "0"), ([20, 26], "20 × 26"), (None, "—")]
)
def test_settings_are_written_for_people(value: object, text: str) -> None:
    assert setting_text(value) == text


def test_the_fastest_plan_must_keep_its_share(content: Content) -> None:
    experiment = content.outcome.suite.experiments[0].id
    found = {share: content.fastest_that_keeps(share, experiment) for share in (0.9, 0.99, 1.0)}
    assert {share: case and case.plan for share, case in found.items()} == {0.9: "strong", 0.99: "mild", 1.0: None}


def test_a_plan_that_is_slower_than_its_baseline_is_not_the_fastest(suite: Suite, records: list[Record]) -> None:
    slower = [
        record.model_copy(update={"values": {**record.values, "speedup": 0.9}})
        if record.measurement == "speed"
        else record
        for record in records
    ]
    content = Content(Outcome(suite, slower, suite.metrics()))
    assert content.fastest_that_keeps(0.5, suite.experiments[0].id) is None
    assert build("one", load_all(TABLES, suite)["headline"], content).rows[0][3].text == "full"


def judged(suite: Suite, records: list[Record], plans: dict[str, tuple[float, float]]) -> Content:
    """With other speed-ups and shares of the accuracy, by plan, for the first experiment."""
    changed = []
    for record in records:
        if record.case.experiment == suite.experiments[0].id and record.case.plan in plans:
            speedup, kept = plans[record.case.plan]
            own = {"speed": {"speedup": speedup}, "accuracy": {"miou": 0.75 * kept}}.get(record.measurement, {})
            record = record.model_copy(update={"values": {**record.values, **own}})
        changed.append(record)
    return Content(Outcome(suite, changed, suite.metrics()))


@pytest.mark.parametrize(
    ("plans", "front"),
    [
        ({"mild": (1.2, 0.99), "strong": (1.5, 0.98)}, ["full", "mild", "strong"]),
        ({"mild": (1.2, 0.97), "strong": (1.5, 0.98)}, ["full", "strong"]),
        ({"mild": (1.2, 1.0), "strong": (1.1, 0.98)}, ["mild"]),
        ({"mild": (0.9, 1.01), "strong": (0.8, 0.98)}, ["mild", "full"]),
        ({"mild": (1.2, 0.99), "strong": (1.2, 0.99)}, ["full", "mild", "strong"]),
    ],
)
def test_the_front_is_what_no_other_case_beats(suite, records, plans, front) -> None:
    content = judged(suite, records, plans)
    experiment = suite.experiments[0].id
    assert [case.plan for case in content.front(experiment)] == front
    table = build("front", load_all(TABLES, suite)["front"], content)
    task, plan = ([column.header for column in table.columns].index(header) for header in ("Task", "Plan"))
    assert [row[plan].text for row in table.rows if row[task].text == "semantic-segmentation"] == front


def test_what_was_not_measured_is_not_on_the_front(suite: Suite, records: list[Record]) -> None:
    content = Content(Outcome(suite, [r for r in records if r.measurement != "speed"], suite.metrics()))
    assert [case.plan for case in content.front(suite.experiments[0].id)] == ["full"]


def test_the_headline_is_about_the_hourglass(suite: Suite, records: list[Record]) -> None:
    content = Content(Outcome(suite, records, suite.metrics()))
    assert content.fastest_that_keeps(0.5, suite.experiments[0].id, "resolution") is None


def test_an_error_that_shrinks_is_quality_that_grows() -> None:
    assert share_kept(0.99, 1.0, higher_is_better=True) == pytest.approx(0.99)
    assert share_kept(2.0, 1.0, higher_is_better=False) == pytest.approx(0.5)
    assert share_kept(0.5, 0.0, higher_is_better=True) is None


def test_a_change_that_rounds_to_nothing_has_no_sign(suite: Suite, records: list[Record]) -> None:
    content = Content(Outcome(suite, records, suite.metrics()))
    table = build("one", definition(value="accuracy.miou", change="absolute", digits=1), content)
    assert table.rows[1][0].change_text == "±0.0"


def test_a_mistyped_definition_is_named(tmp_path: Path, suite: Suite) -> None:
    folder = tmp_path / "definitions"
    folder.mkdir()
    with pytest.raises(UserError, match="holds no table definitions"):
        load_all(tmp_path, suite)
    (folder / "wrong.yaml").write_text("title: Wrong\ncolumns:\n  - { header: A, value: accuracy.miou, digit: 1 }\n")
    with pytest.raises(UserError, match=r"wrong.yaml:3: columns.0.digit: unknown field 'digit'; did you mean 'digits'"):
        load_all(tmp_path, suite)


def definition(**column: Any) -> TableDefinition:
    return TableDefinition.model_validate({"title": "One", "columns": [{"header": "Column", **column}]})
