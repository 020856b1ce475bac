"""The Kubernetes profile against a stand-in for Kubernetes: a server that takes jobs and runs them as processes.

Each runs in an empty folder of its own, with nothing but what its pod would be given: command and secrets.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("snakemake_executor_plugin_kubernetes") is None,
        reason="the extra 'cluster' is not installed",
    ),
]

CONFIGURATION = """\
apiVersion: v1
kind: Config
clusters: [{{name: stand-in, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
users: [{{name: me, user: {{}}}}]
contexts: [{{name: here, context: {{cluster: stand-in, user: me}}}}]
current-context: here
"""


class Kubernetes(BaseHTTPRequestHandler):
    """Secrets, jobs and their status, as far as the plugin asks for them."""

    root: ClassVar[Path]
    environment: ClassVar[dict[str, str]]
    secrets: ClassVar[dict[str, str]]
    pods: ClassVar[dict[str, dict[str, Any]]]
    running: ClassVar[dict[str, subprocess.Popen[bytes]]]

    def do_POST(self) -> None:
        asked = self._content()
        if self.path.endswith("/secrets"):
            self.secrets.update({name: base64.b64decode(value).decode() for name, value in asked["data"].items()})
        else:
            self._run(asked["metadata"]["name"], asked["spec"]["template"]["spec"]["containers"][0])
        self._answer(asked)

    def do_GET(self) -> None:
        job = re.search("/jobs/(.*)/status", self.path)
        if job is None:
            return self._answer({"items": []})
        code = self.running[job[1]].poll()
        status = {} if code is None else {"failed": 1} if code else {"succeeded": 1}
        return self._answer({"spec": {"template": {}}, "status": status})

    def do_DELETE(self) -> None:
        self._content()
        self._answer({})

    def _run(self, name: str, container: dict[str, Any]) -> None:
        self.pods[name] = container
        given = {each["name"]: self.secrets[each["valueFrom"]["secretKeyRef"]["key"]] for each in container["env"]}
        folder = self.root / name
        folder.mkdir()
        with (self.root / f"{name}.log").open("wb") as log:
            command = [*container["command"], *container["args"]]
            environment = {**self.environment, **given}
            self.running[name] = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)

    def _content(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")

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
def kubernetes(folder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Kubernetes]]:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "pip").write_text("#!/bin/sh\n")  # a pod installs the storage plugin, which is here already
    (programs / "pip").chmod(0o755)
    inherited = folder.environment
    path = {"PATH": f"{programs}{os.pathsep}{inherited['PATH']}"}
    environment = {name: inherited[name] for name in ("HOME", "PYTHONPATH", "AWS_DEFAULT_REGION")} | path
    state = {"root": tmp_path / "pods", "environment": environment, "secrets": {}, "pods": {}, "running": {}}
    handler = type("Handler", (Kubernetes,), state)
    handler.root.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    configuration = tmp_path / "kubeconfig"
    configuration.write_text(CONFIGURATION.format(port=server.server_port))
    monkeypatch.setenv("KUBECONFIG", str(configuration))
    monkeypatch.setenv("HOURGLASS_DATA", "/volume")
    monkeypatch.setenv("HOURGLASS_COMMIT", "c0ffee")
    yield handler
    server.shutdown()
    for process in handler.running.values():
        process.kill()
        process.wait()


def test_a_suite_runs_in_pods_that_share_nothing_but_a_bucket(
    bucket: Any, folder: Any, kubernetes: type[Kubernetes]
) -> None:
    ready = folder.path / "data" / "near" / "ready.json"
    bucket.put_object(Key="work/data/near/ready.json", Body=ready.read_bytes())
    ready.unlink()
    _as_a_clone(folder.path)
    profile = ("--workflow-profile", "workflows/profiles/kubernetes", "--default-storage-prefix", "s3://lab/work")
    endpoint = ("--storage-s3-endpoint-url", bucket.meta.client.meta.endpoint_url)
    command = list(folder.snakemake(*profile, *endpoint, "--until", "export", device="cuda"))
    command[command.index("suite=tiny.yaml")] = "suite=tiny"
    run = folder.command(*command)
    logs = [path.read_text() for path in kubernetes.root.glob("*.log")]
    assert not run.returncode, "\n".join([run.stdout, *logs])
    kept = {item.key.removeprefix("work/results/tiny/") for item in bucket.objects.all()}
    case = "looking.eye.near.squeeze.mild"
    assert {"results.csv", f"{case}/accuracy.json", f"{case}/cost.json", f"{case}/speed.json"} <= kept
    gpus = [pod["resources"]["limits"].get("nvidia.com/gpu") for pod in kubernetes.pods.values()]
    assert sorted(gpus, key=str) == ["1", "1", "1", None, None], "a cost needs none"
    mounts = {mount["mountPath"] for pod in kubernetes.pods.values() for mount in pod["volumeMounts"]}
    assert mounts == {"/workdir", "/volume"}


def _as_a_clone(folder: Path) -> None:
    """Pods get the files that git tracks."""
    for name in ("Snakefile", "workflows"):
        link = folder / name
        source = link.resolve()
        link.unlink()
        shutil.copytree(source, link) if source.is_dir() else shutil.copy(source, link)
    shutil.move(folder / "tiny.yaml", folder / "workflows" / "suites")
    for command in ("init", "add --all"):
        subprocess.run(["git", *command.split()], cwd=folder, check=True, capture_output=True)
