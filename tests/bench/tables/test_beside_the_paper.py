"""Published rows beside what was measured: every row is there, and every number says where it comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from hourglass.bench.results.outcome import Outcome
from hourglass.bench.results.records import record
from hourglass.bench.suites import published
from hourglass.bench.suites.suite import Suite
from hourglass.bench.tables.build import build
from hourglass.bench.tables.content import Content
from hourglass.bench.tables.definition import ColumnDefinition, load_all
from hourglass.bench.tables.model import Table
from hourglass.bench.tables.render import FORMATS, html
from hourglass.bench.tables.terminal import show
from hourglass.registry import UserError

TABLES = Path(__file__).parents[3] / "tables"
SUITE = """\
name: quoted
version: 1
title: An example
experiments:
  - task: depth-estimation
    model: dpt-scenes
    dataset: scenes
    published: dpt/nyuv2
    accuracy: { metric: rmse_m, floor: 0.4, tolerance: 0.01 }
    methods:
      hourglass:
        own: { start: 6, clusters: [28, 28], form: published }
"""


def load(tmp_path: Path, text: str = SUITE) -> Suite:
    path = tmp_path / "quoted.yaml"
    path.write_text(text)
    return Suite.read(path)


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return load(tmp_path)


@pytest.fixture
def table(suite: Suite) -> Table:
    measured = [
        record("cost", case, {"gflops_published": 500.0, "gmacs_executed": 260.0}, {}, {})
        for case in suite.cases
        if case.plan != "a4-16x16"
    ]
    definition = load_all(TABLES, suite)["paper-depth-estimation"]
    return build("paper-depth-estimation", definition, Content(Outcome(suite, measured, suite.metrics())))


def column(table: Table, header: str) -> list[str]:
    index = [column.header for column in table.columns].index(header)
    return [row[index].text for row in table.rows]


def test_published_rows_are_cases_by_the_plans_behind_them(suite: Suite) -> None:
    assert [case.plan for case in suite.cases] == ["full", "a6-24x24", "a4-16x16", "a2-14x14", "own"]
    assert suite.cases[1].settings["start"] == 7
    assert suite.cases[1].settings["temperature"] == 1.0
    assert suite.cases[4].settings["temperature"] == 0.02
    assert suite.quoted() == [TABLES / "paper" / "dpt.yaml"]


def test_every_published_row_is_printed_and_every_other_case(table: Table) -> None:
    rows = published.table("dpt/nyuv2").rows
    assert column(table, "Method")[:-1] == [row.method for row in rows]
    assert column(table, "Plan")[:6] == [
        "",
        "α 6, 24 × 24",
        "α 4, 16 × 16",
        "α 2, 14 × 14",
        "keep rate 0.8",
        "keep rate 0.7",
    ]
    assert column(table, "Plan")[-1] == "own"
    assert column(table, "Full blocks")[:5] == ["—", "7", "5", "3", "—"]
    assert column(table, "RMSE [m] ↓, published")[0] == "0.357"
    assert column(table, "RMSE [m] ↓, ours")[0] == "—"


def test_deviations_are_from_the_published_cell(table: Table) -> None:
    assert column(table, "GFLOPs, published")[:4] == ["560.20", "504.20", "439.20", "395.00"]
    assert column(table, "GFLOPs, ours")[:5] == ["500.00", "500.00", "—", "500.00", "—"]
    assert column(table, "Deviation [%]")[:5] == ["−10.75", "−0.83", "—", "+26.58", "—"]
    assert column(table, "Deviation [%]")[-1] == "—", "nothing is published of a plan of our own"


def test_footnotes_are_numbered_once(table: Table) -> None:
    assert column(table, "Notes")[:5] == ["", "1, 2, 3", "1, 2", "1, 2", ""]
    assert len(table.notes) == 3
    assert "28 x 28 clusters" in table.notes[2]
    assert FORMATS["md"](table).splitlines()[-1].startswith("3. ")
    assert FORMATS["tex"](table).count(r"\par ") == 3
    assert FORMATS["html"](table).count("<li>") == 3


def test_a_quoted_number_says_where_it_is_printed(table: Table) -> None:
    index = [column.header for column in table.columns].index("GFLOPs, published")
    printed = "Expedit-LargeScale-Vision-Transformer/Expedit-DPT/blob/71c58a90bd066c7a0559059adbdda5c5770ab500"
    address = f"https://github.com/{printed}/README.md#L64"
    assert table.rows[1][index].source == address
    assert f'<a href="{address}">' in html(table, root="../")


def test_at_a_terminal_no_cell_is_broken(table: Table, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    show(table)
    lines = capsys.readouterr().out.splitlines()
    printed = [line for line in lines if line.startswith("|")]
    assert len(printed) == 2 + len(table.rows)
    assert {line.count("|") for line in printed} == {len(table.columns) + 1}
    assert any("[m] ↓, published" in line for line in printed), "square brackets are no markup"


def test_only_suites_with_published_tables_have_these(tmp_path: Path) -> None:
    plain = load(tmp_path, SUITE.replace("    published: dpt/nyuv2\n", ""))
    assert not [name for name in load_all(TABLES, plain) if name.startswith("paper-")]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("dpt/nyuv2", "dpt/nyu", "8: experiments.0.published: unknown table 'dpt/nyu'; did you mean 'dpt/nyuv2'?"),
        ("dpt/nyuv2", "dino/dino", "8: experiments.0.published: table 'dino/dino' is about 'object-detection'"),
        ("own:", "a4-16x16:", "12: experiments.0.methods.hourglass.a4-16x16: 'a4-16x16' is a row of 'dpt/nyuv2'"),
    ],
)  # fmt: skip
def test_a_suite_that_does_not_fit_its_table(tmp_path: Path, old: str, new: str, what: str) -> None:
    with pytest.raises(UserError) as error:
        load(tmp_path, SUITE.replace(old, new, 1))
    assert what in str(error.value)


@pytest.mark.parametrize(("value", "nearest"), [("case.models", "model"), ("published.gflop", "gflops")])
def test_a_field_that_does_not_exist_has_a_nearest_one(value: str, nearest: str) -> None:
    with pytest.raises(ValueError, match=f"did you mean '{nearest}'"):
        ColumnDefinition(header="Column", value=value)


def test_only_what_is_published_can_deviate() -> None:
    with pytest.raises(ValueError, match=r"only cost\.gflops_published, speed\.fps can be compared"):
        ColumnDefinition(header="Deviation", value="cost.gmacs_executed", show="deviation")
