"""The figures of the authors' tables: complete, traceable, and each behind a plan that exists."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from hourglass import methods
from hourglass.bench import tasks
from hourglass.bench.storage.documents import read
from hourglass.bench.suites import published
from hourglass.bench.suites.published import Publication, PublishedTable
from hourglass.registry import UserError

TABLES = {name: published.table(name) for name in published.names()}
OF_FIVE_TASKS = {name: table for name, table in TABLES.items() if table.task in tasks.TASKS.names()}

FILE = """\
source:
  repository: authors/code
  commit: 63f40661068c0a6bfb1f0ad38e105626a74c403d
  file: README.md
tables:
  one:
    title: One
    task: semantic-segmentation
    dataset: A set
    metric: { name: miou, title: mIoU, percent: true, higher_is_better: true }
    input: [640, 640]
    plan: { iterations: 5, window: 5 }
    rows:
      - { line: 1, method: baseline, gflops: 658.98, value: 51.82 }
      - { line: 2, method: hourglass, alpha: 16, clusters: [28, 28], gflops: 529.81, value: 51.93 }
      - { line: 3, method: evit, settings: { keep_rate: 0.9 }, value: 51.52 }
"""


def write(tmp_path: Path, old: str, new: str) -> Publication:
    path = tmp_path / "file.yaml"
    path.write_text(FILE.replace(old, new, 1))
    return read(path, Publication)


def test_all_tables_of_the_five_tasks_are_there() -> None:
    assert Counter(table.task for table in OF_FIVE_TASKS.values()) == {
        "semantic-segmentation": 4,
        "depth-estimation": 2,
        "object-detection": 1,
        "instance-segmentation": 2,
        "panoptic-segmentation": 3,
    }
    methods_of_rows = Counter(row.method for table in OF_FIVE_TASKS.values() for row in table.rows)
    assert methods_of_rows == {"baseline": 12, "hourglass": 28, "evit": 15, "tome": 15, "act": 17}


@pytest.mark.parametrize("name", TABLES)
def test_every_row_says_where_it_is_printed(name: str) -> None:
    assert published.origin(name).repository.startswith("Expedit-LargeScale-Vision-Transformer/")
    lines = [row.line for row in TABLES[name].rows]
    assert len(set(lines)) == len(lines)


@pytest.mark.parametrize(("name", "table"), OF_FIVE_TASKS.items())
def test_every_row_of_the_hourglass_has_a_plan(name: str, table: PublishedTable) -> None:
    assert table.metric.name in {metric.name for metric in tasks.metrics(table.task)}
    for row in table.rows:
        if row.method == "hourglass":
            settings = methods.resolve("hourglass", table.settings(row))
            assert settings["clusters"] == list(row.clusters)
            assert row.gflops < table.rows[0].gflops
            if settings["start"] != row.alpha:
                assert table.notes_on(row), f"{name}: nothing says why α {row.alpha} is not {settings['start']}"


def test_the_plans_behind_printed_alphas_that_mean_something_else() -> None:
    starts = {
        name: {row.alpha: row.start for row in table.rows if row.start is not None}
        for name, table in OF_FIVE_TASKS.items()
    }
    assert {name: found for name, found in starts.items() if found} == {
        "dpt/kitti": {6: 7, 4: 5},
        "dpt/nyuv2": {6: 7, 4: 5, 2: 3},
        "mask2former/coco-panoptic": {10: 9},
        "mask2former/coco-instance": {12: 11},
        "mask2former/ade20k-semantic": {8: 7},
    }
    assert published.table("dpt/kitti").plans("hourglass")["a4-20x20"]["neighbors"] == 1
    assert published.table("segmenter/ade20k").plans("hourglass")["a10-28x28"]["reconstruct"] == "decoder"


def test_an_unknown_table_has_a_nearest_one() -> None:
    with pytest.raises(UserError, match="unknown table 'segmenter/ade20'; did you mean 'segmenter/ade20k'"):
        published.table("segmenter/ade20")
    with pytest.raises(UserError, match="unknown table 'nothing/here'"):
        published.table("nothing/here")


def test_settings_read_as_they_are_printed(tmp_path: Path) -> None:
    rows = write(tmp_path, "", "").tables["one"].rows
    assert [row.label for row in rows] == ["", "α 16, 28 × 28", "keep rate 0.9"]
    assert [row.plan for row in rows] == [None, "a16-28x28", "keep-rate-0-9"]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("alpha: 16, ", "", "15: tables.one.rows.1.method: a row of the hourglass has 'alpha' and 'clusters'"),
        ("settings: { keep_rate: 0.9 }", "alpha: 3, clusters: [2, 2]", "16: tables.one.rows.2.method: a row of the"),
        ("method: baseline", "method: tome", "14: tables.one.rows.0.method: the first row must be the baseline's"),
        ("method: evit, settings: { keep_rate: 0.9 }", "method: hourglass, alpha: 16, clusters: [28, 28]",
         "16: tables.one.rows.2: α 16, 28 × 28 is listed twice"),
        ("window: 5", "window: 4", "15: tables.one.rows.1: method 'hourglass': plan.window must be odd"),
        ("clusters: [28, 28]", "clusters: [28]", "15: tables.one.rows.1: method 'hourglass': plan.clusters must"),
        ("gflops: 529.81", "gflops: -1", "15: tables.one.rows.1.gflops"),
        ("gflops: 529.81", "gflop: 529.81", "unknown field 'gflop'; did you mean 'gflops'?"),
        ("commit: 63f", "commit: x63f", "3: source.commit"),
    ],
)  # fmt: skip
def test_an_error_says_file_line_field_and_remedy(tmp_path: Path, old: str, new: str, what: str) -> None:
    with pytest.raises(UserError) as error:
        write(tmp_path, old, new)
    assert "file.yaml:" in str(error.value)
    assert what in str(error.value)
