from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from hourglass.bench.report.page import render
from hourglass.bench.results.outcome import Outcome
from hourglass.bench.results.records import Record
from hourglass.bench.results.verdict import Verdict
from hourglass.bench.suites.suite import Suite
from hourglass.bench.tables.model import Table

PASS = Verdict("case", "cost", "parameters", "pass", 1.0, 1.0, "", fails=False)
MISSING = Verdict("case", "cost", "parameters", "missing", None, None, "nothing is accepted", fails=True)


class Page(HTMLParser):
    """Collects what the page loads, what it links to, and what it shows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.words = ""
        self._hidden = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.words += " "
        self.ids.add(known.get("id") or "")
        self.loaded += [known[name] or "" for name in ("src", "xlink:href", "srcset") if name in known]
        if tag == "link":
            self.loaded.append(known["href"] or "")
        elif "href" in known:
            self.links.append(known["href"] or "")
        self._hidden = tag if tag in ("script", "style") else ""

    def handle_data(self, data: str) -> None:
        self.words += "" if self._hidden else data


def words_of(suite: Suite, records: Sequence[Record], *verdicts: Verdict) -> str:
    return " ".join(Page(render(Outcome(suite, records, suite.metrics(), verdicts), [])).words.split())


def test_the_page_loads_nothing_and_its_links_lead_somewhere(page: Path) -> None:
    parsed = Page(page.read_text())
    assert set(parsed.loaded) == {"data:,"}
    inside = [link for link in parsed.links if link.startswith("#")]
    outside = [link for link in parsed.links if not link.startswith("#")]
    assert not [link for link in inside if link[1:] not in parsed.ids]
    assert not [link for link in outside if not (page.parent / link).is_file()]
    assert len(outside) > 50
    assert page.stat().st_size < 1_000_000


def test_equal_results_make_equal_pages(outcome: Outcome, tables: list[Table], galleries: dict) -> None:
    assert render(outcome, tables, galleries) == render(outcome, tables, galleries)


def test_the_page_says_what_was_gained_and_lost_and_where(page: Path) -> None:
    words = " ".join(Page(page.read_text()).words.split())
    assert "verdict: failed" in words
    assert "1.33× as fast [1.32, 1.35]" in words
    assert "Gained 25 % fewer multiply-accumulates" in words
    assert "Lost mIoU 75.0 % → 74.7 % −0.3 points; 99.6 % kept" in words
    assert "most on photo1: 80.0 % → 78.0 %" in words
    assert "c0ffee" in words


def test_a_regression_is_named(page: Path) -> None:
    words = " ".join(Page(page.read_text()).words.split())
    named = "regressed semantic-segmentation.segmenter-scenes.scenes.hourglass.strong accuracy miou 0.735 0.745"
    assert f"{named} 0.735 now, <0.745> accepted" in words


def test_an_accepted_value_leads_to_its_file(page: Path) -> None:
    assert '<a href="../../tables/accepted/example.yaml">0.745</a>' in page.read_text()


def test_no_setting_is_written_as_python_does(page: Path) -> None:
    words = " ".join(Page(page.read_text()).words.split())
    assert "temperature: —, " in words
    assert "clusters: 24 × 24, " in words
    assert "None" not in words


def test_charts_have_names_that_tell_them_apart(page: Path) -> None:
    names = re.findall(r'<svg class="chart"[^>]* aria-label="([^"]+)"', page.read_text())
    of = ["Semantic segmentation, segmenter-scenes on scenes", "Depth estimation, dpt-scenes on scenes"]
    assert [name.split(": ")[0] for name in names] == [of[0], of[0], of[1], of[1], *of]
    assert len(set(names)) == 6


def test_what_is_missing_for_one_reason_shares_a_line(suite: Suite, records: list[Record]) -> None:
    words = words_of(suite, records, MISSING, PASS)
    assert "verdict: failed" in words
    assert "What fails the check" not in words
    assert "missing nothing is accepted case: cost parameters" in words
    assert "verdict: passed" in words_of(suite, records, PASS)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("name: example", "name: example\nimages: 8", "on the first 8 images of an evaluation split, as"),
        (
            "dataset: scenes",
            "dataset: scenes\n    images: 8",
            "on the first 8 images of an evaluation split, or on all of them, as",
        ),
    ],
    ids=["of all experiments", "of one experiment"],
)
def test_it_says_on_how_many_images_accuracy_is(suite_text: str, tmp_path: Path, before: str, after: str, told: str):
    path = tmp_path / "example.yaml"
    assert before in suite_text
    path.write_text(suite_text.replace(before, after, 1))
    assert told in words_of(Suite.read(path), [])


@pytest.mark.parametrize("count", [1, 3])
def test_results_with_gaps_make_a_page(suite: Suite, records: list[Record], count: int) -> None:
    assert "Semantic segmentation — No plan has been timed." in words_of(suite, records[:count])


def test_a_plan_that_is_slower_is_no_gain(suite: Suite, records: list[Record]) -> None:
    slow = [r.model_copy(update={"values": {**r.values, "speedup": 0.9}}) for r in records if r.measurement == "speed"]
    assert "Semantic segmentation — No plan is faster." in words_of(suite, slow)


def test_where_no_plan_keeps_enough_the_closest_is_shown(suite: Suite, records: list[Record]) -> None:
    left = [record for record in records if record.case.plan != "mild"]
    words = words_of(suite, left)
    assert "No faster plan keeps 99 % of the mIoU; this one keeps most. 2.00× as fast" in words


def test_tables_beside_the_paper_and_ablations_have_sections_of_their_own(
    outcome: Outcome, tables: list[Table]
) -> None:
    paper = replace(tables[0], name="paper-semantic-segmentation", title="Cell by cell")
    parts = replace(tables[0], name="ablations-semantic-segmentation", title="Without windows")
    words = Page(render(outcome, [parts, paper])).words
    assert words.index("Every published figure") < words.index("Cell by cell")
    assert words.index("What each part of the method is worth") < words.index("Without windows")
    assert "a heading sorts" not in words
