"""What a suite needs is listed, and what only the user can bring is left out with one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hourglass.bench import datasets, downloads, models
from hourglass.bench.results import requirements
from hourglass.bench.suites.suite import Suite

DEPTH = "depth-estimation.dpt-scenes.scenes"


@pytest.fixture
def folders(tmp_path, monkeypatch) -> Iterator[dict[str, Path]]:
    """The data set needs an archive behind an account and a large file, the depth model a checkpoint."""
    for name in ("HOURGLASS_DATA", "HOURGLASS_OFFLINE", "CITYSCAPES_USERNAME", "CITYSCAPES_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    url, page = "https://example.org/a", "https://example.org/page"
    known = {"confidence": "high", "source": "a test", "urls": [url]}
    entries = {
        "closed": {**known, "file": "closed.zip", "size": 1_500_000_000, "login": "cityscapes", "page": page},
        "open": {**known, "file": "open.zip", "about": 2_000_000_000},
        "weights": {**known, "file": "weights.pth"},
    }
    path = tmp_path / "needs.yaml"
    path.write_text(yaml.safe_dump({"artifacts": entries}))
    monkeypatch.setenv("HOURGLASS_ARTIFACTS", str(path))
    monkeypatch.chdir(tmp_path)
    with (
        datasets.DATASETS.replaced("scenes", scenes("closed", "open")),
        models.MODELS.replaced("dpt-scenes", dpt(layout="any")),
    ):
        yield {"data": Path("data"), "results": Path("results")}


def scenes(*downloads: str) -> datasets.Source:
    kind = type(datasets.DATASETS.get("scenes"))
    return type("Scenes", (kind,), {"artifacts": downloads})()


def dpt(**changes: str | None) -> models.ModelCard:
    return models.card("dpt-scenes").model_copy(update={"shipped": False, "artifact": "weights", **changes})


CARDS = {name: models.card(name) for name in models.MODELS.names()}


def lines(suite: Suite, folders: dict[str, Path]) -> list[str]:
    return list(requirements.plan(suite, **folders))


def test_cases_that_want_an_account_are_left_out_in_one_line(suite: Suite, folders) -> None:
    left_out = requirements.left_out(suite, **folders)
    assert list(left_out) == [case.id for case in suite.cases]
    line = requirements.in_short(left_out)
    assert line.count("\n") == 1
    assert line.startswith("left out: accuracy and speed of 5 cases: closed: needs an account; set CITYSCAPES_USERNAME")
    assert str(Path("data/downloads/closed.zip").absolute()) in line


@pytest.mark.parametrize("way", ["account", "file", "own file", "own copy", "prepared"])
def test_nothing_is_left_out_once_the_user_has_helped(suite: Suite, folders, monkeypatch, way) -> None:
    path = {
        "account": "data/unrelated",
        "file": "data/downloads/closed.zip",
        "own file": "mine/closed.zip",
        "own copy": "mine/scenes/file",
        "prepared": "data/scenes/ready.json",
    }[way]
    Path(path).parent.mkdir(parents=True)
    Path(path).touch()
    if way == "account":
        monkeypatch.setenv("CITYSCAPES_USERNAME", "someone")
        monkeypatch.setenv("CITYSCAPES_PASSWORD", "secret")
    if way.startswith("own"):
        monkeypatch.setenv("HOURGLASS_DATA", "mine")
    assert requirements.left_out(suite, **folders) == {}
    assert "secret" not in "".join(lines(suite, folders))


def test_what_has_been_measured_is_not_left_out(suite: Suite, folders) -> None:
    case = suite.cases[1]
    measured = folders["results"] / suite.name / case.id / "accuracy.json"
    measured.parent.mkdir(parents=True)
    measured.touch()
    assert case.id not in requirements.left_out(suite, **folders)
    assert len(requirements.left_out(suite, **folders)) == 4


def test_a_model_of_another_framework_is_left_out(suite: Suite, folders, monkeypatch) -> None:
    with datasets.DATASETS.replaced("scenes", scenes()), models.MODELS.replaced("dpt-scenes", dpt(layout=None)):
        left_out = requirements.left_out(suite, **folders)
        assert set(left_out) == {case.id for case in suite.cases if case.experiment == DEPTH}
        assert not requirements.needs(suite, folders["data"])


def test_a_plan_says_what_is_there_and_what_is_not(suite: Suite, folders) -> None:
    (folders["data"] / "downloads").mkdir(parents=True)
    (folders["data"] / "downloads" / "open.zip").touch()
    said = lines(suite, folders)
    assert [line.split() for line in said[:3]] == [
        ["by", "hand", "1.5", "GB", "closed", "closed.zip"],
        ["there", "about", "2", "GB", "open", "open.zip"],
        ["download", "unknown", "weights", "weights.pth"],
    ]
    assert re.match(r"to download: 0 files, about 0 bytes; [\d.e+]+ GB are free in /", said[3])
    assert said[4] == "not yet: 1 file, about 0 bytes, and 1 of unknown size, of cases that are left out"
    assert said[5].startswith("by hand: closed: needs an account")
    assert said[6].startswith("left out: accuracy and speed of 5 cases")
    assert said[7] == "no estimate for dpt-scenes: hourglass/bench/results/effort.yaml has none"


def test_what_runs_has_its_downloads_counted(suite: Suite, folders) -> None:
    with datasets.DATASETS.replaced("scenes", scenes("open")):
        said = lines(suite, folders)
    assert re.match(r"to download: 2 files, about 2 GB, and 1 of unknown size; ", said[2])
    assert not any(line.startswith("not yet") for line in said)


def test_a_plan_says_what_offline_means(suite: Suite, folders, monkeypatch) -> None:
    monkeypatch.setenv("HOURGLASS_OFFLINE", "1")
    with datasets.DATASETS.replaced("scenes", scenes("open")):
        said = [line for line in lines(suite, folders) if line.startswith("HOURGLASS_OFFLINE")]
    where = folders["data"].absolute() / "downloads"
    assert said == [f"HOURGLASS_OFFLINE is set: each file to download has to be placed in {where}"]


def test_hours_are_images_times_passes_over_speed(suite: Suite, folders, monkeypatch, tmp_path) -> None:
    (tmp_path / "effort.yaml").write_text("models:\n  dpt-scenes: { images: 7200, passes: 3, fps: 2.0 }\n")
    monkeypatch.setattr(requirements, "EFFORT", tmp_path / "effort.yaml")
    cases = sum(case.experiment == DEPTH for case in suite.cases)
    assert requirements.gpu_hours(suite) == (cases * 3.0, [])
    out = [case.id for case in suite.cases if case.experiment == DEPTH][:1]
    assert requirements.gpu_hours(suite, out) == ((cases - 1) * 3.0, [])
    assert "GPU hours" not in "".join(lines(suite, folders)), "all cases are left out"
    (folders["data"] / "downloads").mkdir(parents=True)
    (folders["data"] / "downloads" / "closed.zip").touch()
    assert f"estimate: {cases * 3:.1f} GPU hours" in "".join(lines(suite, folders))


def test_efforts_are_of_models_there_are() -> None:
    from hourglass.bench.storage.documents import read

    assert set(read(requirements.EFFORT, requirements.Efforts).models) == {
        name
        for name in CARDS
        if (artifact := CARDS[name].artifact) and not CARDS[name].shipped and not downloads.get(artifact).package
    }
