"""What a run holds reaches the service, at once or by `wandb sync`: against a local stand-in of its API."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hourglass.bench.results.records import Record
from hourglass.bench.tracking.runs import Run, runs
from hourglass.bench.tracking.track import track

from .test_tracking import KEY, at


class Service(BaseHTTPRequestHandler):
    """Answers as the service does, as far as its client asks, and keeps what it is sent."""

    runs: dict[str, list[dict[str, Any]]]
    lines: dict[str, list[dict[str, Any]]]
    artifacts: list[dict[str, Any]]
    committed: list[str]
    files: dict[str, bytes]

    def do_POST(self) -> None:
        body = self._body()
        if self.path == "/graphql":
            asked = json.loads(body)
            name = re.findall(r"(?:query|mutation)\s+(\w+)", asked["query"])[0]
            answer = getattr(self, re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower(), self._unknown)
            self._answer({"data": answer(asked.get("variables") or {})})
        else:
            if self.path.endswith("/file_stream"):
                for file, content in json.loads(body).get("files", {}).items():
                    run = self.path.split("/")[-2]
                    self.lines.setdefault(f"{run}/{file}", []).extend(map(json.loads, content["content"]))
            self._answer({})

    def do_PUT(self) -> None:
        self.files[self.path.removeprefix("/upload/")] = self._body()
        self._answer({})

    def viewer(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"viewer": {"id": "v", "entity": "team", "username": "me", "flags": "{}", "teams": {"edges": []}}}

    def artifact_type(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"project": None}  # there is no artifact of that name yet

    def upsert_bucket(self, given: dict[str, Any]) -> dict[str, Any]:
        self.runs.setdefault(given["name"], []).append(given)
        project = {"id": "p", "name": given["project"], "entity": {"id": "e", "name": "team"}}
        run = {"id": given["name"], "name": given["name"], "displayName": given["displayName"], "config": "{}"}
        return {"upsertBucket": {"bucket": {**run, "historyLineCount": 0, "project": project}, "inserted": True}}

    def create_artifact(self, given: dict[str, Any]) -> dict[str, Any]:
        self.artifacts.append(given["input"])
        artifact = {"id": f"a{len(self.artifacts)}", "state": "PENDING", "artifactSequence": {"latestArtifact": None}}
        return {"createArtifact": {"artifact": artifact}}

    def create_artifact_manifest(self, given: dict[str, Any]) -> dict[str, Any]:
        file = self._upload(f"{given['artifactID']}/manifest")
        return {"createArtifactManifest": {"artifactManifest": {"id": given["artifactID"], "file": file}}}

    def create_artifact_files(self, given: dict[str, Any]) -> dict[str, Any]:
        nodes = [
            {**self._upload(f"{file['artifactID']}/{file['name']}"), "artifact": {"id": file["artifactID"]}}
            for file in given["input"]["artifactFiles"]
        ]
        for file, node in zip(given["input"]["artifactFiles"], nodes, strict=True):
            node["name"] = node["displayName"] = file["name"]
        return {"createArtifactFiles": {"files": {"edges": [{"node": node} for node in nodes]}}}

    def commit_artifact(self, given: dict[str, Any]) -> dict[str, Any]:
        self.committed.append(given["artifactID"])
        return {"commitArtifact": {"artifact": {"id": given["artifactID"], "digest": ""}}}

    def create_run_files(self, given: dict[str, Any]) -> dict[str, Any]:
        files = [{**self._upload(f"{given['run']}/{name}"), "name": name} for name in given["files"]]
        return {"createRunFiles": {"runID": given["run"], "uploadHeaders": [], "files": files}}

    def server_features_query(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"serverInfo": {"features": []}}

    def _unknown(self, given: dict[str, Any]) -> None:
        return None

    def _upload(self, name: str) -> dict[str, Any]:
        url = f"http://{self.headers['Host']}/upload/{name}"
        return {"id": name, "name": name, "displayName": name, "uploadUrl": url, "uploadHeaders": []}

    def _body(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _answer(self, content: dict[str, Any]) -> None:
        answer = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Service]]:
    """What the service has been sent; it is where the client looks for it."""
    pytest.importorskip("wandb")
    from threading import Thread

    empty: dict[str, Any] = {"runs": {}, "lines": {}, "artifacts": [], "committed": [], "files": {}}
    handler = type("Handler", (Service,), empty)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "wandb"))
    yield handler
    server.shutdown()
    server.server_close()


@pytest.fixture
def described(records: list[Record], results: Path) -> list[Run]:
    return runs(at(records, "2026-01-01T02:00:00+00:00"), results)[:2]


def test_synced_runs_arrive_whole(
    described: list[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: type[Service]
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    folder = tmp_path / "tracking"
    track(described, folder, timeout=300)
    assert not service.runs
    monkeypatch.delenv("WANDB_MODE")
    offline = sorted(map(str, folder.glob("wandb/offline-run-*")))
    synced = subprocess.run(
        [sys.executable, "-m", "wandb", "sync", *offline], capture_output=True, text=True, timeout=300, cwd=tmp_path
    )
    assert synced.returncode == 0, synced.stderr
    check(service, described)


def test_online_runs_arrive_whole(
    described: list[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: type[Service]
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    folder = tmp_path / "tracking"
    assert track(described, folder, timeout=300) == f"tracked 2 runs, online, in {folder}"
    check(service, described)


def check(arrived: type[Service], described: list[Run]) -> None:
    assert set(arrived.runs) == {run.id for run in described}
    for run in described:
        check_run(arrived, run)
    assert KEY.encode() not in b"".join(arrived.files.values())


def check_run(arrived: type[Service], run: Run) -> None:
    sent: dict[str, Any] = {}
    for upsert in arrived.runs[run.id]:
        sent |= {name: value for name, value in upsert.items() if value is not None}
    assert (sent["displayName"], sent["groupName"], sent["jobType"]) == (run.name, run.group, run.job_type)
    assert set(sent["tags"]) == set(run.tags)
    config = json.loads(sent["config"])
    assert config["case"]["value"]["model"] == run.config["case"]["model"]
    assert config["provenance"]["value"].keys() == run.config["provenance"].keys()

    history: dict[str, Any] = {}
    for point in arrived.lines[f"{run.id}/wandb-history.jsonl"]:
        history |= point
    assert history["_step"] == run.step
    assert {name: history[name] for name in run.summary} == run.summary
    assert history["gallery"]["nrows"] == 1
    assert any(name.startswith(f"{run.id}/media/table/gallery") for name in arrived.files)

    name = f"{run.group}.{run.name}"
    number = next(at for at, each in enumerate(arrived.artifacts, 1) if each["artifactCollectionName"] == name)
    assert f"a{number}" in arrived.committed
    manifest = json.loads(arrived.files[f"a{number}/manifest"])["contents"]
    assert set(manifest) == {Path(file).name for file in run.files}
    for file in run.files:
        content = arrived.files[f"a{number}/{Path(file).name}"]
        assert content == Path(file).read_bytes()
        assert manifest[Path(file).name]["digest"] == base64.b64encode(hashlib.md5(content).digest()).decode()
