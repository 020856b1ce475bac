"""A suite names a model of the hub or of timm, and a folder of images and labels, with nothing but YAML."""

from __future__ import annotations

import json

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from hourglass.bench import datasets
from hourglass.bench.datasets.rasters import write_depth, write_pixels
from hourglass.bench.measuring import cases, provenance
from hourglass.bench.results.records import load, record, save
from hourglass.bench.suites.case import Case
from hourglass.bench.suites.suite import Suite, Timing
from hourglass.registry import UserError

from ..models.snapshots import save as save_model

NAMES = ("road", "sky", "car")
SEGMENTATION = """\
name: mine
version: 1
title: Of my own
models:
  my-dpt: { folder: dpt, image_size: [64, 64] }
  my-vit: { timm: vit_tiny_patch16_224, pretrained: false, head: head.safetensors, image_size: [64, 64] }
  my-swin: { timm: swin_tiny_patch4_window7_224, pretrained: false, image_size: [56, 56] }
datasets:
  my-streets: { folder: streets, masks: masks, categories: [road, sky, car], values: [0, 3, 7] }
experiments:
  - task: semantic-segmentation
    model: my-dpt
    dataset: my-streets
    accuracy: { metric: miou, floor: 0.0, tolerance: 0.0 }
    methods: { hourglass: { strong: { start: 1, clusters: [4, 4], neighbors: 4 } } }
  - task: semantic-segmentation
    model: my-vit
    dataset: my-streets
    accuracy: { metric: pixel_accuracy, floor: 0.0, tolerance: 0.0 }
  - task: semantic-segmentation
    model: my-swin
    dataset: my-streets
    methods: { hourglass: { strong: { start: 5, clusters: [2, 2] } } }
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A user's folder: photographs with labels of all kinds, and models."""
    folder = tmp_path_factory.mktemp("mine")
    random = np.random.default_rng(0)
    for name in ("one", "two", "three"):
        write_pixels(folder / "streets" / "images" / f"{name}.png", random.integers(0, 256, (48, 64, 3), np.uint8))
        labels = random.choice(np.array([0, 3, 7, 255], np.uint8), (48, 64))
        write_pixels(folder / "streets" / "masks" / f"{name}.png", labels)
        write_depth(folder / "streets" / "depth" / f"{name}.png", random.uniform(1, 9, (48, 64)), scale=256)
    save_model("semantic", folder / "dpt", ["car", "road", "sky", "tree"])
    save_model("detection", folder / "yolos", ["car", "person"])
    torch.manual_seed(0)
    channels = timm.create_model("vit_tiny_patch16_224").embed_dim
    save_file({"weight": torch.randn(3, channels), "bias": torch.zeros(3)}, folder / "head.safetensors")
    return folder


def load_suite(folder, text=SEGMENTATION) -> Suite:
    path = folder / "mine.yaml"
    path.write_text(text)
    return Suite.read(path)


@pytest.fixture(scope="module")
def suite(folder) -> Suite:
    return load_suite(folder)


@pytest.fixture(scope="module")
def data(folder, suite, tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    datasets.prepare("my-streets", root=root)
    return root


def test_cases_are_named_and_defined(suite):
    first = suite.cases[0]
    assert first.id == "semantic-segmentation.my-dpt.my-streets.baseline.full"
    assert first.definitions["model"] == {"folder": "dpt", "image_size": [64, 64]}
    assert first.definitions["dataset"]["values"] == [0, 3, 7]
    assert Case.model_validate_json(first.model_dump_json()) == first
    assert [case.measurements for case in suite.cases if case.model == "my-swin"] == [("cost",), ("cost", "speed")]


def test_cases_of_the_projects_own_are_written_as_before():
    written = json.loads(Suite.read("embedded").cases[0].model_dump_json())
    assert list(written) == [
        "suite", "suite_version", "task", "model", "dataset", "method", "plan", "settings", "images", "batch",
        "precision", "seed",
    ]  # fmt: skip


@pytest.mark.parametrize("model", ["my-dpt", "my-vit"])
def test_accuracy_and_cost_are_measured(suite, data, model, tmp_path, monkeypatch):
    monkeypatch.setenv("HOURGLASS_COMMIT", "c" * 40)
    for case in (case for case in suite.cases if case.model == model):
        measured = cases.accuracy(case, data)
        assert 0 < measured["values"]["miou"] < 1
        assert measured["samples"] == {"images": 3}
        assert cases.cost(case, data)["values"]["gmacs_executed"] > 0
        found = provenance(case, measured["conditions"])
        assert len(found["weights"]) == 64
        assert found["definitions"] == case.definitions
        save(tmp_path, record("accuracy", case, measured["values"], measured["samples"], found))
        assert load(tmp_path, case, "accuracy").case == case


def test_a_backbone_is_counted_and_timed(suite, data):
    baseline, method = (case for case in suite.cases if case.model == "my-swin")
    whole, part = (cases.cost(case, data)["values"]["gmacs_executed"] for case in (baseline, method))
    assert 0 < part < whole
    briefly = Timing(latency=0, throughput=0)
    assert cases.speed([method], data, timing=briefly)[method.id]["values"]["speedup"] > 0


def test_another_revision_or_folder_is_another_case(folder, suite):
    changed = load_suite(folder, SEGMENTATION.replace("values: [0, 3, 7]", "values: [0, 3, 8]"))
    assert changed.cases[0] != suite.cases[0]
    load_suite(folder)  # the definitions that other tests see


def test_changed_files_are_prepared_again(folder, tmp_path):
    text = SEGMENTATION.replace("my-streets", "changing")
    load_suite(folder, text)
    before = datasets.DATASETS.get("changing").version
    datasets.prepare("changing", root=tmp_path)
    (folder / "streets" / "note.txt").write_text("new")
    load_suite(folder, text)
    assert datasets.DATASETS.get("changing").version != before
    with pytest.raises(UserError, match="not prepared"):
        datasets.open_split("changing", "semantic-segmentation", root=tmp_path)
    (folder / "streets" / "note.txt").unlink()


def test_what_a_system_leaves_beside_the_images_is_none_of_them(folder, tmp_path):
    define(
        folder, "{ folder: streets, masks: masks, categories: [a, b, c], values: [0, 3, 7] }", "semantic-segmentation"
    )
    left = [folder / "streets" / part / name for part in ("images", "masks") for name in ("._one.png", ".#one.png")]
    for path in left:
        path.symlink_to("nowhere") if "#" in path.name else path.write_bytes(b"\0\5\x16\7")
    try:
        datasets.prepare("other", root=tmp_path)
        assert len(datasets.open_split("other", "semantic-segmentation", root=tmp_path)) == 3
    finally:
        for path in left:
            path.unlink()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("masks: masks, categories: [road, sky, car], ", "", "9: datasets.my-streets.folder: has no labels; give 'mas"),
        (", categories: [road, sky, car], values: [0, 3, 7]", "", "9: datasets.my-streets.masks: 'masks' and 'catego"),
        ("[0, 3, 7]", "[0, 3]", "9: datasets.my-streets.values: must be as many different numbers as there are cat"),
        ("[0, 3, 7]", "[0, 3, 255]", "9: datasets.my-streets.values.2: "),
        ("masks: masks", "mask: masks", "9: datasets.my-streets.mask: unknown field 'mask'; did you mean 'masks'?"),
        ("folder: dpt", "hub: owner/dpt", "5: models.my-dpt.hub: 'hub' and 'revision' go together"),
        ("folder: dpt", "hub: ../dpt, revision: main", "5: models.my-dpt.hub: "),
        ("folder: dpt, ", "", "5: models.my-dpt: give one of 'hub', 'folder' and 'timm'"),
        (", image_size: [64, 64] }\n  my-vit", " }\n  my-vit", "5: models.my-dpt.image_size: is missing; add it"),
        ("image_size: [56, 56]", "image_size: [true, 56]", "7: models.my-swin.image_size.0: should be a valid integer"),
        ("image_size: [56, 56]", "image_size: [56, 10001]", "7: models.my-swin.image_size.1: should be less than"),
        ("[0, 3, 7]", "[0, true, 7]", "9: datasets.my-streets.values.1: should be a valid integer"),
        ("my-swin:", "dpt-scenes:", "7: models.dpt-scenes: the name 'dpt-scenes' is taken; choose another one"),
        ("my-streets:", "scenes:", "9: datasets.scenes: the name 'scenes' is taken; choose another one"),
        ("model: my-dpt", "model: my-dtp", "12: experiments.0.model: unknown model 'my-dtp'; did you mean 'my-dpt'?"),
        ("streets\n    methods", "streets\n    accuracy: { metric: miou, floor: 0, tolerance: 0 }\n    methods",
         "23: experiments.2.accuracy: the accuracy of 'my-swin' cannot be measured: it is a backbone without a 'head'"),
        ("semantic-segmentation\n    model: my-dpt", "depth-estimation\n    model: my-dpt",
         "13: experiments.0.dataset: dataset 'my-streets' cannot do 'depth-estimation'; it can do semantic-segmentat"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line(folder, old, new, message):
    assert old in SEGMENTATION
    with pytest.raises(UserError) as caught:
        load_suite(folder, SEGMENTATION.replace(old, new))
    assert str(caught.value).startswith(f"{folder}/mine.yaml:{message}")
    assert "\n" not in str(caught.value)


def define(folder, definition: str, task: str, model: str = "dpt") -> Suite:
    return load_suite(
        folder,
        f"name: mine\nversion: 1\ntitle: t\nmodels:\n  any: {{ folder: {model}, image_size: [64, 64] }}\n"
        f"datasets:\n  other: {definition}\nexperiments:\n  - {{ task: {task}, model: any, dataset: other }}\n",
    )


def test_depth_maps_have_a_unit_and_a_limit(folder, tmp_path):
    define(folder, "{ folder: streets, depth: depth, units_per_metre: 256, max_depth: 5 }", "depth-estimation")
    datasets.prepare("other", root=tmp_path)
    sample = datasets.open_split("other", "depth-estimation", root=tmp_path)[0]
    assert 1 <= sample.target.min() < sample.target.max() <= 9
    assert datasets.DATASETS.get("other").settings("depth-estimation") == {"max_depth": 5}


def test_relative_depth_is_not_scored_in_metres(folder, tmp_path):
    save_model("depth", folder / "midas", [])
    suite = define(folder, "{ folder: streets, depth: depth, units_per_metre: 256 }", "depth-estimation", "midas")
    datasets.prepare("other", root=tmp_path)
    with pytest.raises(
        UserError, match=r"^model: its depth is relative and has no unit, but the metrics are in metres: "
    ):
        cases.accuracy(suite.cases[0], tmp_path)
    assert cases.cost(suite.cases[0], tmp_path)["values"]["gmacs_executed"] > 0


def test_cocos_files_bring_their_categories(folder, tmp_path):
    annotation = {"id": 1, "image_id": 1, "category_id": 9, "bbox": [2, 3, 20, 10], "iscrowd": 0}
    content = {
        "images": [{"id": 1, "file_name": "one.png", "height": 48, "width": 64}],
        "categories": [{"id": 4, "name": "person"}, {"id": 9, "name": "car"}],
        "annotations": [annotation],
    }
    (folder / "streets" / "boxes.json").write_text(json.dumps(content))
    define(folder, "{ folder: streets, instances: boxes.json }", "object-detection")
    datasets.prepare("other", root=tmp_path)
    assert [(c.name, c.isthing) for c in datasets.DATASETS.get("other").categories] == [("person", True), ("car", True)]
    assert datasets.open_split("other", "object-detection", root=tmp_path)[0].target.labels.tolist() == [1]
    assert set(datasets.DATASETS.get("other").tasks) == {"object-detection", "instance-segmentation"}


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ("{ folder: nowhere, masks: masks, categories: [a] }", r"nowhere: no such folder; bring it back, or name ano"),
        ("{ folder: streets, masks: masks, categories: [a, b], values: [0, 3] }", r"masks/one.png: holds 7, which is "
         "the value of no category; list the values of all categories in 'values', and make pixels"),
        ("{ folder: streets, images: masks, masks: images, categories: [a] }", "channels"),
        ("{ folder: streets, images: none, masks: masks, categories: [a] }", "none: no images"),
    ],
)  # fmt: skip
def test_folders_that_do_not_fit_are_one_line(folder, tmp_path, definition, message):
    define(folder, definition, "semantic-segmentation")
    with pytest.raises(UserError, match=message):
        datasets.prepare("other", root=tmp_path)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (torch.full((3, 192), float("nan")), "'weight' holds values that are infinite or no number"),
        (torch.ones(3, 192, dtype=torch.int8), "'weight' is int8 in place of float32: not the numbers of a trained"),
        (torch.tensor(1.0), "len"),
    ],
)
def test_heads_that_are_none_are_one_line(folder, data, weight, message):
    save_file({"weight": weight, "bias": torch.zeros(3)}, folder / "odd.safetensors")
    text = SEGMENTATION.replace("head: head", "head: odd").replace("my-vit", "odd-head")
    case = next(case for case in load_suite(folder, text).cases if case.model == "odd-head")
    with pytest.raises(UserError, match=rf"odd.safetensors: is no head of 'weight' \(K, 192\) and .*: {message}"):
        cases.cost(case, data)


def test_names_of_timm_that_are_none_are_one_line(folder, data):
    text = SEGMENTATION.replace("swin_tiny_patch4_window7_224", "swin_tinny").replace("my-swin", "wrong")
    case = next(case for case in load_suite(folder, text).cases if case.model == "wrong")
    with pytest.raises(UserError, match=r"^model: 'swin_tinny' of timm cannot be built for 56 x 56 pixels: Unknown"):
        cases.cost(case, data)
    text = SEGMENTATION.replace("head: head", "head: nothing").replace("my-vit", "headless")
    case = next(case for case in load_suite(folder, text).cases if case.model == "headless")
    with pytest.raises(UserError, match=r"nothing.safetensors: no such file$"):
        cases.cost(case, data)
