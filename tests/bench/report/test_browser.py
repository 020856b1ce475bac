"""The page as a browser shows it: nothing is loaded from elsewhere, and what can be moved moves what it should."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--window-size=1200,900",
)  # fmt: skip

pytestmark = [
    pytest.mark.skipif(not (BROWSER and DRIVER), reason="there is no chromium with its driver"),
    pytest.mark.xdist_group("browser"),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield started
    started.quit()


@pytest.fixture
def shown(browser: Any, page: Path) -> Any:
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get(page.as_uri())
    return browser


def run(browser: Any, script: str, *arguments: Any) -> Any:
    return browser.execute_script(script, *arguments)


def test_nothing_goes_wrong_and_no_request_leaves_the_page(shown: Any, page: Path) -> None:
    assert shown.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in shown.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    own = ("data:", "chrome:")  # what the page holds, and the browser's own first page
    assert {url for url in asked if not url.startswith(own)} == {page.as_uri()}
    assert run(shown, "return [...document.images].filter(i => i.src && !(i.complete && i.naturalWidth)).length") == 0
    assert run(shown, "return [...document.images].filter(i => i.src).length") > 10


def test_a_plan_is_chosen_and_its_pictures_are_compared(shown: Any) -> None:
    rooms = "return [...document.querySelectorAll('.wing')[0].querySelectorAll('.room')].map(room => !room.hidden)"
    assert run(shown, rooms) == [True, False]
    select = shown.find_element("css selector", "select[data-wing]")
    pytest.importorskip("selenium.webdriver.support.ui").Select(select).select_by_index(1)
    assert run(shown, rooms) == [False, True]
    slider = shown.find_element("css selector", ".room:not([hidden]) .compare input")
    clip = "return getComputedStyle(arguments[0].parentElement.querySelector('.after')).clipPath"
    assert "50%" in run(shown, clip, slider)
    slider.send_keys(webdriver.Keys.HOME)
    assert run(shown, clip, slider) == "inset(0px 0px 0px 0%)"
    slider.send_keys(webdriver.Keys.ARROW_RIGHT)
    assert "1%" in run(shown, clip, slider)


def test_tables_sort_by_number_and_say_so(shown: Any) -> None:
    table = shown.find_element("css selector", "#table-semantic-segmentation table")
    heads = [head.text for head in table.find_elements("css selector", "th")]
    column = next(place for place, head in enumerate(heads) if head.startswith("GMACs"))
    values = "return [...arguments[0].tBodies[0].rows].map(row => Number(row.cells[arguments[1]].dataset.value))"
    before = run(shown, values, table, column)
    button = table.find_elements("css selector", "th button")[column]
    for order, expected in (("ascending", sorted(before)), ("descending", sorted(before, reverse=True))):
        button.send_keys(webdriver.Keys.ENTER)
        assert run(shown, values, table, column) == expected
        assert table.find_elements("css selector", "th")[column].get_attribute("aria-sort") == order
    assert len(table.find_elements("css selector", "th[aria-sort]")) == 1


def test_a_mark_tells_what_it_is_and_leads_to_its_case(shown: Any) -> None:
    mark = shown.find_elements("css selector", "#fronts .mark")[1]
    run(shown, "arguments[0].focus()", mark)
    tip = shown.find_element("id", "tip")
    assert tip.text == mark.get_attribute("aria-label").removesuffix("; on the front")
    mark.send_keys(webdriver.Keys.ESCAPE)
    assert not tip.is_displayed()
    mark.send_keys(webdriver.Keys.ENTER)
    case = run(shown, "return document.getElementById(decodeURIComponent(location.hash.slice(1)))")
    assert case.get_attribute("open")
    assert case.find_element("css selector", "td a").is_displayed()


def test_everything_can_be_read_out(shown: Any) -> None:
    for what in (
        "img:not([alt])",
        "select:not(label select)",
        "input:not([aria-label])",
        "svg.chart:not([aria-label])",
        ".mark:not([aria-label])",
        ".frame:not([tabindex][role=region][aria-label])",
        "table:not([aria-label])",
        "section:not([aria-labelledby])",
        "html:not([lang])",
    ):
        assert run(shown, "return document.querySelectorAll(arguments[0]).length", what) == 0, what
    named = "return [...document.querySelectorAll('[aria-labelledby]')].filter(e => !document.getElementById(e.getAttribute('aria-labelledby'))).length"  # noqa: E501
    assert run(shown, named) == 0


def contrast(browser: Any, query: str) -> float:
    """The ratio of WCAG between the colours of a text and of what is behind it."""
    return float(run(browser, """
        const light = (text) => text.match(/[0-9.]+/g).slice(0, 3).map(Number).map((c) => c / 255)
          .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
          .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
        let element = document.querySelector(arguments[0]);
        const front = light(getComputedStyle(element).color);
        while (getComputedStyle(element).backgroundColor === "rgba(0, 0, 0, 0)") element = element.parentElement;
        const back = light(getComputedStyle(element).backgroundColor);
        return (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
        """, query))  # fmt: skip


@pytest.fixture
def emulate(browser: Any) -> Iterator[Callable[..., None]]:
    yield browser.execute_cdp_cmd
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_schemes(shown: Any, emulate: Callable[..., None], scheme: str) -> None:
    emulate("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    background = run(shown, "return getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)")
    assert (sum(background) > 3 * 128) == (scheme == "light")
    for query in ("p", ".lead", ".badge", ".ratio a", ".loss", ".model", "nav a", "td a", "th button", ".tag"):
        assert contrast(shown, query) >= 4.5, query


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lines_do_not_run_through_labels(shown: Any, emulate: Callable[..., None], scheme: str) -> None:
    emulate("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    style = "const style = getComputedStyle(document.querySelector(arguments[0])); return style[arguments[1]]"
    for label in ("#fronts .mark text", "#fronts .grid text"):
        assert run(shown, style, label, "paintOrder").startswith("stroke")
        assert run(shown, style, label, "stroke") == run(shown, style, ".plate", "backgroundColor")
        assert run(shown, style, label, "opacity") == "1"


def test_a_laptop_shows_all_columns(shown: Any, emulate: Callable[..., None]) -> None:
    screen = {"width": 1440, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    emulate("Emulation.setDeviceMetricsOverride", screen)
    frames = "[...document.querySelectorAll('figure.table .frame')]"
    assert run(shown, f"return {frames}.length") > 3
    assert run(shown, f"return {frames}.filter(f => f.scrollWidth > f.clientWidth).map(f => f.ariaLabel)") == []


def test_on_a_phone_everything_that_is_tapped_is_large_enough(shown: Any, emulate: Callable[..., None]) -> None:
    emulate("Emulation.setDeviceMetricsOverride", {"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": True})
    shown.refresh()
    for what in (
        "nav a", ".badge", "th button", "td a", "summary", "select", ".compare input",
        ".facts a", ".shot p a", ".mark .reach", ".runs .reach",
    ):  # fmt: skip
        sizes = run(shown, """
            return [...document.querySelectorAll(arguments[0])].map((each) => each.getBoundingClientRect())
              .filter((place) => place.width).map((place) => Math.min(place.width, place.height))
            """, what)  # fmt: skip
        assert sizes, what
        assert min(sizes) >= 24, what


def test_a_phone_shows_it_without_moving_sideways(shown: Any, emulate: Callable[..., None]) -> None:
    emulate("Emulation.setDeviceMetricsOverride", {"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": True})
    shown.refresh()
    assert run(shown, "return document.documentElement.scrollWidth") == 390
    frame = shown.find_element("css selector", "#table-semantic-segmentation .frame")
    assert run(shown, "return arguments[0].scrollWidth > arguments[0].clientWidth", frame), "it scrolls in its frame"
    assert run(shown, "return getComputedStyle(arguments[0].querySelector('th')).position", frame) == "sticky"
