"""The paper's suite end to end in miniature, from downloads over five tasks to the verdict; and what goes wrong."""

from __future__ import annotations

import io
import os
import pickle
import shutil
import signal
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from hourglass.bench import downloads, models
from hourglass.bench.downloads.transfer import ATTEMPTS

from ..bench.datasets import miniatures
from ..bench.models.checkpoints import small
from ..web import Server
from .conftest import HERE, ROOT, Folder, make_folder
from .miniatures._native import Native

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.xdist_group("miniatures")]

INCLUDED = HERE / "miniatures"
SEGMENTER, DEPTH, DINO = "segmenter-vit-l16-ade20k", "dpt-hybrid-nyuv2", "dino-swin-l-coco"
PANOPTIC, INSTANCE = "mask2former-swin-l-coco-panoptic", "mask2former-swin-l-coco-instance"
MODELS = (SEGMENTER, DEPTH, PANOPTIC, INSTANCE, DINO)


class Miniature(Folder):
    """A folder whose processes include small models and data sets, and see the local server's catalogue."""

    @property
    def environment(self) -> dict[str, str]:
        modules = [ROOT / "tests" / "bench" / "models" / "checkpoints", ROOT]
        own = {
            "HOURGLASS_ARTIFACTS": str(self.catalogue),
            "HOURGLASS_INCLUDE": str(INCLUDED),
            "XDG_DATA_HOME": str(self.path / "home"),
            "NO_PROXY": "*",
        }
        unset = ("HOURGLASS_DATA", "HOURGLASS_OFFLINE")
        inherited = {name: value for name, value in super().environment.items() if name not in unset}
        return {**inherited, **own, "PYTHONPATH": ":".join(map(str, modules))}

    @property
    def catalogue(self) -> Path:
        return self.path / "catalogue.yaml"

    def finished(self) -> dict[str, tuple[int, bytes]]:
        """When each result and each prepared file was written, and what it holds."""
        kept = [*self.results.glob("*/*.json"), *(self.path / "data").glob("**/*.safetensors")]
        return {str(path.relative_to(self.path)): (path.stat().st_mtime_ns, path.read_bytes()) for path in kept}


def checkpoints() -> dict[str, bytes]:
    """By model, a published checkpoint in its own format: a torch file, a legacy one, pickled arrays."""
    arrays = {
        model: {key: value.numpy() for key, value in small.state("mask2former-detectron2", classes).items()}
        for model, classes in ((PANOPTIC, 133), (INSTANCE, 80))
    }
    return {
        SEGMENTER: of_torch({"model": small.state("segmenter-official", 150)}),
        DEPTH: of_torch(small.state("dpt-original"), _use_new_zipfile_serialization=False),
        **{model: pickle.dumps({"model": weights, "__author__": "someone"}) for model, weights in arrays.items()},
        DINO: of_torch({"model": detector()}),
    }


def of_torch(content: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


def detector() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    state = Native().state_dict()
    return {key.removeprefix("model."): value for key, value in state.items()}


@pytest.fixture(scope="module")
def web() -> Iterator[Server]:
    with Server().running() as server:
        yield server


@pytest.fixture(scope="module")
def offered(web: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The catalogue of what the server has."""
    archives = miniatures.build(tmp_path_factory.mktemp("archives"))
    files = {path.name: (name, path.read_bytes()) for name, path in archives.items()}
    for model, content in checkpoints().items():
        artifact = models.card(model).artifact
        assert artifact
        files[downloads.get(artifact).file] = (artifact, content)
    web.files = {f"/{file}": content for file, (_, content) in files.items()}
    return {name: entry(web, file) for file, (name, _) in files.items()}


def entry(web: Server, file: str) -> dict[str, Any]:
    known = {"urls": [f"{web.url}/{file}"], "confidence": "high", "source": "a miniature"}
    return {"file": file, "sha256": sha256(web.files[f"/{file}"]).hexdigest(), **known}


@pytest.fixture(scope="module")
def done(offered: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Miniature:
    """A whole run, accepted, and the run that finds nothing wrong with it."""
    made = Miniature(make_folder(tmp_path_factory.mktemp("paper") / "work", stand_ins=False).path, stand_ins=False)
    shutil.copy(HERE / "miniatures" / "tiny.yaml", made.suite)
    made.catalogue.write_text(yaml.safe_dump({"artifacts": offered}))
    first = made.run()
    assert "nothing has been accepted yet" in first.stdout, first.stdout
    accepted = made.hourglass("accept", "tiny.yaml", "--reason", "a test")
    assert not accepted.returncode, accepted.stdout
    second = made.run()
    assert not second.returncode, second.stdout
    return made


def test_all_five_tasks_are_measured_from_downloads_to_verdict(done: Miniature, web: Server) -> None:
    assert len(list(done.results.glob("*/accuracy.json"))) == 2 * len(MODELS)
    assert len(list(done.results.glob("*/speed.json"))) == len(MODELS)
    assert (done.results / "passed").is_file()
    for table in ("semantic-segmentation", "depth-estimation", "panoptic-segmentation", "object-detection"):
        assert "squeezed" in (done.results / "tables" / f"{table}.md").read_text()
    asked = [path for _, path, _ in web.requests]
    assert sorted(asked) == sorted(set(asked)), "each file is downloaded once"
    assert {f"/{downloads.get(str(models.card(name).artifact)).file}" for name in MODELS} <= set(asked)


@pytest.fixture
def again(done: Miniature, tmp_path: Path, web: Server) -> Iterator[Callable[..., Miniature]]:
    """Copies of the finished run in which one download has to come again, with other content or a fault."""
    before = dict(web.files)

    def make(artifact: str, content: bytes | None = None, *, listed: bool = True, lost: str) -> Miniature:
        copy = replace(done, path=tmp_path / "work")
        shutil.copytree(done.path, copy.path, symlinks=True)
        entries = yaml.safe_load(copy.catalogue.read_text())["artifacts"]
        file = entries[artifact]["file"]
        if content is not None:
            web.files[f"/{file}"] = content
        if listed:
            entries[artifact] = entry(web, file)
        copy.catalogue.write_text(yaml.safe_dump({"artifacts": entries}))
        (copy.path / "data" / "downloads" / file).unlink()
        gone = copy.path / "data" / lost
        shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
        return copy

    yield make
    web.files, web.faults = before, []


def fails(folder: Miniature, target: str, *words: str) -> None:
    """One line of the project's own says what is wrong, and nothing that was finished is touched."""
    before = folder.finished()
    run = folder.run(f"data/{target}", "--show-failed-logs")
    assert run.returncode, run.stdout
    lines = [line for line in run.stdout.splitlines() if line.strip().startswith("hourglass: ")]
    assert len(set(lines)) == 1, run.stdout
    assert all(word in lines[0] for word in words), lines[0]
    assert "Traceback" not in run.stdout
    assert folder.finished() == before


def completes(folder: Miniature, target: str) -> None:
    run = folder.run(f"data/{target}", "--show-failed-logs")
    assert not run.returncode, run.stdout


def heals(folder: Miniature, right: Miniature, artifact: str, target: str) -> None:
    """With the right file in the place of a hostile one, the target is made."""
    file = yaml.safe_load(right.catalogue.read_text())["artifacts"][artifact]["file"]
    shutil.copy(right.catalogue, folder.catalogue)
    shutil.copy(right.path / "data" / "downloads" / file, folder.path / "data" / "downloads" / file)
    completes(folder, target)


CHECKPOINT = "segmenter-l16-mask-ade20k"
DOWNLOAD = "downloads/segmenter_l16_mask_ade20k.pth"
WEIGHTS = f"checkpoints/small-{SEGMENTER}.safetensors"


def test_a_truncated_transfer_is_continued(again: Callable[..., Miniature], web: Server) -> None:
    folder = again(CHECKPOINT, lost=WEIGHTS)
    web.faults = [("break", len(web.files["/segmenter_l16_mask_ade20k.pth"]) - 1000)]
    completes(folder, DOWNLOAD)
    assert str(web.requests[-1][2]).startswith("bytes=")


def test_a_wrong_checksum(again: Callable[..., Miniature], web: Server) -> None:
    whole = dict(web.files)
    folder = again(CHECKPOINT, b"not the weights", listed=False, lost=WEIGHTS)
    fails(folder, WEIGHTS, CHECKPOINT, "sha256")
    web.files = whole
    completes(folder, DOWNLOAD)


@pytest.mark.parametrize("faults", [[404], [503] * ATTEMPTS], ids=["not found", "overloaded"])
def test_a_server_that_refuses(again: Callable[..., Miniature], web: Server, faults: list[int]) -> None:
    folder = again(CHECKPOINT, lost=WEIGHTS)
    web.faults = list(faults)
    fails(folder, WEIGHTS, CHECKPOINT, str(faults[0]))
    completes(folder, DOWNLOAD)


def test_a_pickle_that_would_run_something(again: Callable[..., Miniature], done: Miniature, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "sprung",)

    trap = pickle.dumps({"model": {"weight": Trap()}})
    weights = f"checkpoints/small-{PANOPTIC}.safetensors"
    folder = again("mask2former-swinl-coco-panoptic", trap, lost=weights)
    fails(folder, weights, ".pkl", "'weight' is no tensor")
    assert not (tmp_path / "sprung").exists()
    heals(folder, done, "mask2former-swinl-coco-panoptic", weights)


def test_an_archive_that_leads_out_of_its_folder(
    again: Callable[..., Miniature], done: Miniature, tmp_path: Path
) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("val2017/../../../../escaped.jpg", b"")
    folder = again("coco-2017-val2017", file.getvalue(), lost="small-coco")
    fails(folder, "small-coco/ready.json", "val2017.zip", "escaped.jpg")
    assert not list(tmp_path.rglob("escaped.jpg"))
    heals(folder, done, "coco-2017-val2017", "small-coco/ready.json")


def test_a_disk_that_is_full(again: Callable[..., Miniature]) -> None:
    folder = again(CHECKPOINT, lost=WEIGHTS)
    downloads = folder.path / "data" / "downloads"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", downloads], capture_output=True)
    if mounted.returncode:
        pytest.skip("cannot mount a tmpfs here")
    try:
        fails(folder, WEIGHTS, "segmenter_l16_mask_ade20k.pth", "make room there")
    finally:
        subprocess.run(["umount", "--lazy", downloads], check=True)
    completes(folder, WEIGHTS)


def test_a_killed_run(again: Callable[..., Miniature], web: Server) -> None:
    folder = again(CHECKPOINT, lost=WEIGHTS)
    before = folder.finished()
    web.faults = [("wait", len(web.files["/segmenter_l16_mask_ade20k.pth"]) // 2)]
    part = folder.path / "data" / "downloads" / "segmenter_l16_mask_ade20k.pth.part"
    with subprocess.Popen(
        folder.snakemake(f"data/{WEIGHTS}", "--cores", "2"),
        cwd=folder.path,
        env=folder.environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as run:
        try:
            deadline = time.monotonic() + 60
            while not (part.exists() and part.stat().st_size):
                assert run.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.01)
        finally:
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)
    there = part.stat().st_size
    assert folder.finished() == before
    completes(folder, WEIGHTS)
    assert web.requests[-1][2] == f"bytes={there}-"
