from __future__ import annotations

from html.parser import HTMLParser

import pytest

from hourglass.bench.report.page import render
from hourglass.bench.results.outcome import Outcome
from hourglass.bench.results.records import Record
from hourglass.bench.results.verdict import Verdict
from hourglass.bench.suites.suite import Suite

PASS = Verdict("case", "cost", "parameters", "pass", 1.0, 1.0, "", fails=False)
REGRESSED = Verdict("case", "cost", "parameters", "regressed", 2.0, 1.0, "2 now, <1> accepted", fails=True)


class Page(HTMLParser):
    """Collects what the page loads and what it shows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.tags: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [value for name, value in attrs if name in ("src", "href", "xlink:href") and value]

    def handle_data(self, data: str) -> None:
        self.words += data


def page(suite: Suite, records: list[Record], *verdicts: Verdict) -> str:
    return render(Outcome(suite, records, suite.metrics(), verdicts), [])


def test_the_page_needs_no_other_file(suite: Suite, records: list[Record]) -> None:
    parsed = Page(page(suite, records, PASS))
    assert parsed.tags.count("svg") == len(suite.experiments)
    assert all(target.startswith("#") for target in parsed.loaded)
    assert "script" not in parsed.tags


def test_equal_results_make_equal_pages(suite: Suite, records: list[Record]) -> None:
    assert page(suite, records, PASS) == page(suite, records, PASS)


def test_the_page_says_what_matters(suite: Suite, records: list[Record]) -> None:
    words = Page(page(suite, records, PASS)).words
    assert "verdict: passed" in words
    assert "1.33×" in words
    assert "faster at 99.6 % of the mIoU" in words
    assert "c0ffee" in words


def test_a_regression_is_seen(suite: Suite, records: list[Record]) -> None:
    words = Page(page(suite, records, PASS, REGRESSED)).words
    assert "verdict: failed" in words
    assert "2 now, <1> accepted" in words


@pytest.mark.parametrize("count", [1, 3])
def test_results_with_gaps_make_a_page(suite: Suite, records: list[Record], count: int) -> None:
    assert "no faster plan keeps 99 %" in Page(page(suite, records[:count])).words
