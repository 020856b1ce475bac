"""A folder to run the workflow in, with the project's rules and tables and a suite of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@dataclass(frozen=True)
class Folder:
    """Where a suite called ``tiny`` is run."""

    path: Path
    stand_ins: bool

    @property
    def environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
        modules = [HERE / "stand_ins", ROOT] if self.stand_ins else [ROOT]
        own = {"PATH": path, "WANDB_MODE": "offline", "PYTHONPATH": os.pathsep.join(map(str, modules))}
        return inherited | own | ({"HOURGLASS_INCLUDE": str(HERE / "stand_ins" / "names")} if self.stand_ins else {})

    @property
    def results(self) -> Path:
        return self.path / "results" / "tiny"

    @property
    def suite(self) -> Path:
        return self.path / "tiny.yaml"

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            arguments, cwd=self.path, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def snakemake(self, *options: str, device: str = "cpu", config: tuple[str, ...] = ()) -> tuple[str, ...]:
        return (sys.executable, "-m", "snakemake", *options, "--config", "suite=tiny.yaml", f"device={device}", *config)

    def run(self, *options: str, device: str = "cpu", config: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        return self.command(*self.snakemake("--cores", "2", *options, device=device, config=config))

    def started(self, *options: str) -> subprocess.Popen[bytes]:
        """A run at work, in a process group of its own."""
        command = self.snakemake(*options)
        return subprocess.Popen(
            command, cwd=self.path, env=self.environment, start_new_session=True, stderr=subprocess.DEVNULL
        )

    def hourglass(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.command(sys.executable, "-m", "hourglass", *arguments)

    def calls(self) -> list[str]:
        """What the stand-in was asked to measure so far."""
        return sorted((self.path / "calls.txt").read_text().splitlines())

    def values(self) -> dict[str, Any]:
        """Measured values by file; speed is left out, as no two runs agree on it."""
        files = sorted([*self.results.glob("*/accuracy.json"), *self.results.glob("*/cost.json")])
        return {str(file.relative_to(self.results)): _values(file) for file in files}

    def copy(self, to: Path) -> Folder:
        shutil.copytree(self.path, to, symlinks=True)
        return Folder(to, self.stand_ins)


def _values(file: Path) -> Any:
    return json.loads(file.read_text())["values"]


def make_folder(path: Path, *, stand_ins: bool) -> Folder:
    path.mkdir(exist_ok=True)
    definitions = shutil.copytree(ROOT / "tables" / "definitions", path / "tables" / "definitions")
    if stand_ins:
        table = definitions / "cases.yaml"
        table.write_text(table.read_text().replace("semantic-segmentation:", "looking:"))
    shutil.copy(HERE / ("stand_ins" if stand_ins else "") / "tiny.yaml", path)
    for name in ("Snakefile", "workflows"):
        (path / name).symlink_to(ROOT / name)
    return Folder(path, stand_ins)


def folder_of_stand_ins(path: Path) -> Folder:
    made = make_folder(path, stand_ins=True)
    ready = made.path / "data" / "near" / "ready.json"
    ready.parent.mkdir(parents=True)
    prepared = {"name": "near", "version": "1", "location": ".", "splits": {"all": {"fingerprint": "beef"}}}
    ready.write_text(json.dumps(prepared))
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return folder_of_stand_ins(tmp_path / "work")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket ``lab`` of a local stand-in for S3, for Snakemake's storage plugin."""
    pytest.importorskip("snakemake_storage_plugin_s3", reason="the extra 'cluster' is not installed")
    moto = pytest.importorskip("moto.server", reason="moto, a stand-in for S3, is not installed")
    import boto3

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "anything")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = moto.ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    bucket = boto3.resource("s3", endpoint_url=f"http://{host}:{port}").Bucket("lab")
    bucket.create()
    yield bucket
    bucket.objects.all().delete()  # what one of these servers holds, the next one in this process holds too
    server.stop()


@pytest.fixture(scope="module")
def real_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Folder]:
    """Makes folders of the real thing, which share the project's own data."""
    (ROOT / "data").mkdir(exist_ok=True)

    def make(name: str) -> Folder:
        made = make_folder(tmp_path_factory.mktemp(name) / "work", stand_ins=False)
        (made.path / "data").symlink_to(ROOT / "data")
        prepared = made.hourglass("prepare", "scenes")
        assert not prepared.returncode, prepared.stdout
        return made

    return make


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A run that was finished and accepted."""
    made = folder_of_stand_ins(tmp_path_factory.mktemp("finished") / "work")
    first = made.run()
    assert first.returncode, "nothing has been accepted yet"
    assert "nothing has been accepted yet" in first.stdout, first.stdout
    accepted = made.hourglass("accept", "tiny.yaml", "--reason", "first results")
    assert not accepted.returncode, accepted.stdout
    second = made.run()
    assert not second.returncode, second.stdout
    return made
