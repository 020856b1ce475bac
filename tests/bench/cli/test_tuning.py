"""`hourglass tune` on a small model and images that come with the test, on a clock that counts work."""

from __future__ import annotations

import json
import os
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import hourglass
from hourglass import methods
from hourglass.bench.datasets import DATASETS, Category, Dataset, Source
from hourglass.bench.datasets.folders import RasterDataset
from hourglass.bench.datasets.rasters import read_semantic, write_pixels, write_semantic
from hourglass.bench.models import MODELS, ModelCard
from hourglass.tuning import search

from ...work_clock import WorkClock

vision_transformer = pytest.importorskip("timm.models.vision_transformer")
COMMAND = ("tune", "small-segmenter", "--images", "2")
STATE = Path("results", "tune", "small-segmenter.semantic-segmentation.stripes.json")


class Stripes(Source):
    """Images of stripes, in a split that is evaluated and one to choose plans on."""

    categories = tuple(Category(label, f"stripe {label}", False, (80 * label, 0, 0)) for label in range(3))
    version = "1"
    tasks = ("semantic-segmentation",)
    evaluation_split = "val"

    def __init__(self, *splits: str) -> None:
        self.splits = splits

    def fill(self, folder: Path, split: str) -> None:
        for index in range(3):
            labels = np.repeat(np.roll(np.arange(3), index), 16)[None].repeat(48, axis=0)
            write_pixels(folder / "images" / split / f"{index}.png", np.stack([80 * labels] * 3, 2).astype(np.uint8))
            write_semantic(folder / "labels" / split / f"{index}.png", labels)

    def verify(self, folder: Path, split: str) -> str:
        return self.open(folder, *self.tasks, split).fingerprint

    def open(self, folder: Path, task: str, split: str) -> Dataset:
        reader = partial(read_semantic, values=range(1, 4))
        where = (f"images/{split}", f"labels/{split}")
        return RasterDataset.matching("stripes", split, self.categories, folder, reader, *where)


@pytest.fixture
def clock() -> WorkClock:
    return WorkClock()


@pytest.fixture
def run(run, clock, tmp_path, monkeypatch):
    """Runs a command in an empty folder, where there is a small model."""

    def build() -> torch.nn.Module:
        from hourglass.bench.models.segmenter import MaskTransformer, Segmenter

        torch.manual_seed(0)
        encoder = vision_transformer.VisionTransformer(
            img_size=48, patch_size=8, embed_dim=32, depth=2, num_heads=2, num_classes=0, global_pool="",
            dynamic_img_size=True,
        )  # fmt: skip
        model = Segmenter(encoder, MaskTransformer(3, 32, 16, depth=1, heads=2)).eval()
        clock.watch(model)
        return model

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0})  # threads only wait for each other here
    monkeypatch.setattr(hourglass, "tune", partial(hourglass.tune, clock=clock))
    monkeypatch.setattr(search, "ROUNDS", 1)  # on this clock every round is the same
    monkeypatch.setattr(search, "MOST_ROUNDS", 1)
    card = ModelCard(
        name="small-segmenter", tasks=("semantic-segmentation",), dataset="stripes", image_size=(48, 48), builder=build
    )
    with MODELS.replaced(card.name, card), DATASETS.replaced("stripes", Stripes("val", "tune")):
        yield run


def test_a_plan_is_chosen_and_written_down_for_a_suite_and_for_python(run) -> None:
    code, out, _ = run(*COMMAND, "--speedup", "1.3", "--budget", "1e9")
    assert code in (0, None)
    told = re.search(r"(\d+) of (\d+) plans tried on 2 images of stripes/tune", out)
    tried, candidates = map(int, told.groups())
    assert 1 < tried <= candidates
    trials = {trial["speedup"]: trial for trial in json.loads(STATE.read_text())["trials"]}
    chosen = re.search(r"chosen: ([0-9.]+)x", out).group(1)
    assert float(chosen) >= 1.3
    assert any(f"{speedup:.2f}" == chosen for speedup in trials)
    settings = yaml.safe_load(out.split("below `methods:`")[1].split("#")[0])["hourglass"]["tuned"]
    python = out.splitlines()[-1]
    model = MODELS.get("small-segmenter").builder()
    eval(python, {"hourglass": hourglass, "model": model})
    (applied,) = hourglass.summary(model)
    assert (applied.start, list(applied.clusters)) == (settings["start"], settings["clusters"])
    assert methods.resolve("hourglass", settings)["form"] == "residual"


def test_it_goes_on_where_it_stopped(run, clock) -> None:
    code, out, _ = run(*COMMAND, "--budget", "0")
    assert "1 of " in out
    (first,) = json.loads(STATE.read_text())["trials"]
    code, out, _ = run(*COMMAND, "--budget", "1e9")
    whole = json.loads(STATE.read_text())["trials"]
    assert code in (0, None)
    assert f"{len(whole)} of {len(whole)} plans tried" in out
    assert first["loss"] == next(trial["loss"] for trial in whole if trial["plan"] == first["plan"])
    before = clock.now
    again = run(*COMMAND, "--budget", "1e9")[1]
    assert again.strip() == out.strip()
    assert clock.now - before < 10 * (before / len(whole)), "all trials come from the file"
    assert json.loads(STATE.read_text())["trials"] == whole


def test_without_labels_the_outputs_are_compared(run) -> None:
    code, _, _ = run(*COMMAND, "--unlabelled", "--budget", "0")
    (trial,) = json.loads(STATE.read_text())["trials"]
    assert code in (0, None)
    assert 0 < trial["loss"] < 2
    assert trial["error"] is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--speedup", "2", "--max-loss", "1%"), "speedup: give either --speedup or --max-loss"),
        (("--max-loss", "150%"), "max-loss: '150%' is no share below one; write it as 0.5% or 0.005"),
        (("--speedup", "1000"), "speedup: no plan reaches 1000x; the fastest found has"),
        (("--metric", "mio"), "unknown metric 'mio'; did you mean 'miou'"),
        (("--task", "depth-estimation"), "'small-segmenter' cannot do depth-estimation; it does semantic-segmentation"),
        (("--dataset", "stripe"), "unknown dataset 'stripe'; did you mean 'stripes'"),
    ],
)
def test_what_cannot_be_done_is_one_line(run, arguments, message) -> None:
    code, _, err = run(*COMMAND, "--budget", "0", *arguments)
    told = [line for line in err.splitlines() if line.startswith("hourglass: ")]
    assert code == 2
    assert message in told[0]
    assert len(told) == 1


def test_plans_are_not_chosen_on_what_is_reported_unless_it_is_asked_for(run) -> None:
    with DATASETS.replaced("stripes", Stripes("val")):
        code, _, err = run(*COMMAND, "--budget", "0")
        assert code == 2
        assert "split: the data set 'stripes' has only 'val', which results are reported on" in err
        assert run(*COMMAND, "--budget", "0", "--split", "val")[0] in (0, None)


def test_a_file_that_holds_something_else_is_named(run) -> None:
    STATE.parent.mkdir(parents=True)
    STATE.write_text("[]")
    code, _, err = run(*COMMAND, "--budget", "0")
    assert code == 2
    assert f"{STATE}: holds no trials of a search for plans; delete it or name another" in err
