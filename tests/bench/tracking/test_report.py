"""What the report in Weights & Biases says, and its publication to a local server that speaks as the service does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from hourglass.bench.results.judging import judge
from hourglass.bench.results.outcome import Outcome
from hourglass.bench.results.records import Record, comparable
from hourglass.bench.suites.suite import Suite
from hourglass.bench.tracking import report as reports
from hourglass.bench.tracking.report import TIME, Chart, Report
from hourglass.bench.tracking.runs import runs
from hourglass.registry import UserError

TABLES = ("### Headline\n\n| a | b |\n", "### Depth\n\n| c | d |\n")


@pytest.fixture
def report(suite: Suite, records: list[Record]) -> Report:
    verdicts = judge(suite, comparable(records), comparable(records), suite.all_metrics())
    return reports.compose(Outcome(suite, records, suite.metrics(), verdicts), TABLES)


def test_a_report_has_verdict_tables_and_accuracy_against_cost(report: Report, records: list[Record]) -> None:
    verdict, headline, *charts, last = report.parts
    assert (report.title, report.description) == ("An example", "suite example, version 1; commit c0ffee")
    assert verdict == "**Passed**: 52 pass"
    assert (headline, last) == TABLES
    assert [(chart.x, chart.y, len(chart.runs)) for chart in charts if isinstance(chart, Chart)] == [
        ("cost/gmacs_executed", "accuracy/miou", 3),
        ("speed/speedup", "accuracy/miou", 2),
        (TIME, "accuracy/miou", 3),
        (TIME, "speed/speedup", 2),
        ("cost/gmacs_executed", "accuracy/delta1", 2),
        ("speed/speedup", "accuracy/delta1", 1),
        (TIME, "accuracy/delta1", 2),
        (TIME, "speed/speedup", 1),
    ]
    assert set(charts[0].runs) == {run.id for run in runs(records)[:3]}


def test_a_regression_is_named(suite: Suite, records: list[Record]) -> None:
    worse = records[0].model_copy(update={"values": {**records[0].values, "miou": 0.5}})
    verdicts = judge(suite, comparable([worse, *records[1:]]), comparable(records), suite.all_metrics())
    verdict = str(reports.compose(Outcome(suite, records, suite.metrics(), verdicts), TABLES).parts[0])
    assert verdict.startswith("**Failed**: ")
    assert "- regressed: semantic-segmentation.segmenter-scenes.scenes.baseline.full: accuracy miou: " in verdict


def test_an_odd_mode_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "of line")
    with pytest.raises(UserError, match=r"^WANDB_MODE: is 'of line'; set it to online, offline or disabled, or unset"):
        reports.logged_in()


def test_without_a_login_it_is_printed(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert not reports.logged_in()
    text = reports.as_text(report)
    assert text.startswith("# An example\n\nsuite example, version 1")
    assert "[chart] segmenter-scenes on scenes: mIoU against GMACs executed" in text
    assert "| c | d |" in text


class Service(BaseHTTPRequestHandler):
    """Answers what publishing asks, and keeps what it was given."""

    kept: ClassVar[dict[str, Any]] = {}
    broken = False

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/graphql":
            return self._answer({})
        asked = json.loads(body)
        query, variables = asked["query"], asked.get("variables") or {}
        if "upsertView" in query:
            if self.broken:
                return self._answer({"errors": [{"message": "the project is full"}]})
            self.kept["report"] = variables
            view = {
                "id": "Vmlldzox", "type": "runs", "name": "n", "displayName": variables["displayName"],
                "description": variables["description"], "project": {"id": "p", "name": "lab", "entityName": "us"},
                "createdAt": "2026-01-01T00:00:00", "updatedAt": "2026-01-01T00:00:00", "spec": variables["spec"],
                "previewUrl": None, "user": {"name": "me", "username": "me", "userInfo": {}},
            }  # fmt: skip
            return self._answer({"data": {"upsertView": {"view": view, "inserted": True}}})
        project = {
            "id": "p", "internalId": "UHJvamVjdDox", "name": "lab", "entityName": "us",
            "createdAt": "2026-01-01T00:00:00", "isBenchmark": False,
            "user": None,
        }  # fmt: skip
        page = {"edges": [{"node": project, "cursor": "c"}], "pageInfo": {"endCursor": "c", "hasNextPage": False}}
        viewer = {"id": "v", "entity": "us", "username": "me", "flags": "{}", "teams": {"edges": []}}
        return self._answer({"data": {"viewer": viewer, "models": page, "serverInfo": {}, "project": project}})

    def do_GET(self) -> None:
        self._answer({})

    def _answer(self, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[type[Service]]:
    pytest.importorskip("wandb_workspaces", reason="the extra 'reports' is not installed")
    handler = type("Handler", (Service,), {"kept": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HOME", str(tmp_path))  # a login is kept in a file there
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef0123456789abcdef01234567")
    monkeypatch.setenv("WANDB_PROJECT", "lab")
    for name in ("WANDB_MODE", "WANDB_ENTITY"):
        monkeypatch.delenv(name, raising=False)
    yield handler
    server.shutdown()


def test_a_report_is_published_with_its_runs(service: type[Service], report: Report) -> None:
    assert reports.logged_in()
    address = reports.publish(report)
    assert address.endswith("/us/lab/reports/An-example--Vmlldzox")
    sent = service.kept["report"]
    assert (sent["entityName"], sent["projectName"], sent["displayName"]) == ("us", "lab", "An example")
    blocks = [block for block in json.loads(sent["spec"])["blocks"] if block["type"] != "paragraph"]
    assert [block["type"] for block in blocks] == ["markdown-block"] * 2 + ["panel-grid"] * 8 + ["markdown-block"]
    assert blocks[1]["content"] == TABLES[0]
    grid = json.dumps(blocks[2])
    assert all(run in grid for run in report.parts[2].runs)
    assert "accuracy/miou" in grid
    assert "cost/gmacs_executed" in grid
    assert TIME in json.dumps(blocks[4])


def test_a_report_that_is_not_taken_is_one_line(service: type[Service], report: Report) -> None:
    service.broken = True
    with pytest.raises(
        UserError, match=r"Weights & Biases: .*; not published; `hourglass track` makes its project"
    ) as error:
        reports.publish(replace(report, title="x" * 300))
    assert "\n" not in str(error.value)
