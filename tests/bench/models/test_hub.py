"""Models of the hub, here small random ones in folders, speak the project's language and the data set's."""

from __future__ import annotations

import re
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from hourglass.bench.datasets import Category
from hourglass.bench.models import hub
from hourglass.registry import UserError

from .snapshots import save

IMAGES = torch.rand(2, 3, 48, 64, generator=torch.Generator().manual_seed(0))
SQUARES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
LABELS = ["road", "sky", "car", "person"]


def categories(*names, things=()):
    return tuple(Category(number, name, name in things, (0, 0, 0)) for number, name in enumerate(names))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}

    def get(kind):
        if kind not in made:
            made[kind] = save(kind, tmp_path_factory.mktemp(kind), LABELS)
        return made[kind]

    return get


@torch.inference_mode()
@pytest.mark.parametrize(("images", "resize"), [(SQUARES, False), (IMAGES, True)])
def test_class_scores_are_those_of_the_categories(folders, images, resize):
    own = hub.build(folders("semantic"), "semantic-segmentation", None, resize=resize)
    assert [category.name for category in hub.categories_of(own)] == LABELS
    scores = own(images)
    assert scores.shape == (2, 4, *images.shape[-2:])
    other = hub.build(folders("semantic"), "semantic-segmentation", categories("Sky", "road"))
    assert torch.equal(other(images, resize=resize), scores[:, [1, 0]])


def test_images_of_a_size_that_a_model_does_not_take_are_one_line(folders):
    model = hub.build(folders("depth"), "depth-estimation", None)
    with pytest.raises(UserError, match=r"^model: DPTForDepthEstimation cannot take images of \(48, 64\) pixels: "):
        model(IMAGES)


@torch.inference_mode()
def test_depth_has_no_labels(folders):
    assert hub.build(folders("depth"), "depth-estimation", ())(IMAGES, resize=True).shape == (2, 48, 64)


@torch.inference_mode()
def test_detections_of_other_labels_are_left_out(folders):
    model = hub.build(folders("detection"), "object-detection", None)
    everything = model(IMAGES)
    things = categories("sea", "person", "car", things=("person", "car"))
    found = hub.build(folders("detection"), "object-detection", things)(IMAGES)
    for one, all_of_one in zip(found, everything, strict=True):
        kept = [label for label in all_of_one["labels"].tolist() if label in (2, 3)]
        assert one["labels"].tolist() == [{3: 1, 2: 2}[label] for label in kept]
        assert len(one["boxes"]) == len(one["scores"]) == len(kept)


@torch.inference_mode()
def test_queries_for_other_labels_are_for_nothing(folders):
    everything = hub.build(folders("universal"), "panoptic-segmentation", None)(IMAGES)
    assert everything.class_queries_logits.shape == (2, 7, 5)
    whole = everything.class_queries_logits.softmax(-1)
    chosen = hub.build(folders("universal"), "panoptic-segmentation", categories("car", "sky"))(IMAGES)
    part = chosen.class_queries_logits.softmax(-1)
    torch.testing.assert_close(part[..., :2], whole[..., [2, 1]])
    torch.testing.assert_close(part[..., 2], whole[..., [0, 3, 4]].sum(-1))
    things = categories("sea", "car", things=("car",))
    instances = hub.build(folders("universal"), "instance-segmentation", things)(IMAGES)
    assert instances.class_queries_logits.softmax(-1)[..., 0].max() == 0, "stuff that is not looked for"


@torch.inference_mode()
def test_masks_end_where_the_padding_begins(folders):
    """40 x 56 pixels, padded to 64 x 64."""
    output = hub.build(folders("universal"), "panoptic-segmentation", None)(IMAGES, resize=True)
    assert output.masks_queries_logits.shape[-2:] == (40, 56)


def test_labels_that_do_not_match_are_one_line(folders):
    with pytest.raises(UserError, match="has no label 'tree', as the data set has; name the categories as"):
        hub.build(folders("semantic"), "semantic-segmentation", categories("sky", "tree"))
    with pytest.raises(UserError, match="has 4 labels, but the data set 2 categories"):
        hub.build(folders("semantic"), "semantic-segmentation", categories("sky", "tree"), by_name=False)
    ordered = categories(*"abcd")
    assert hub.build(folders("semantic"), "semantic-segmentation", ordered, by_name=False)._labels == (0, 1, 2, 3)


def test_what_is_no_model_for_the_task_is_one_line(folders, tmp_path):
    with pytest.raises(UserError, match=r"^model: .*: 'dpt' of transformers cannot do object-detection; choose"):
        hub.build(folders("semantic"), "object-detection", None)
    with pytest.raises(UserError, match=r"^model: .*: cannot be read for depth-estimation: [^\n]+$"):
        hub.build(tmp_path, "depth-estimation", None)


def test_code_of_a_repository_is_not_run(folders, tmp_path):
    folder = shutil.copytree(folders("semantic"), tmp_path / "mine")
    config = folder / "config.json"
    config.write_text(
        config.read_text().replace('"model_type": "dpt"', '"model_type": "mine", "auto_map": {"AutoConfig": "mine.C"}')
    )
    (folder / "mine.py").write_text("raise SystemExit('was run')\n")
    with pytest.raises(UserError, match="cannot be read for depth-estimation"):
        hub.build(folder, "depth-estimation", None)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda value: value / 0, "holds values that are infinite or no number"),
        (lambda value: value.to(torch.int8), "is I8: not the numbers of a trained model"),
        (lambda value: value > 0, "is BOOL: not the numbers of a trained model"),
        (lambda value: value.to(torch.complex64), "is C64: not the numbers of a trained model"),
    ],
)
def test_weights_that_are_not_those_of_a_trained_model_are_named(folders, tmp_path, spoil, message):
    folder = shutil.copytree(folders("semantic"), tmp_path / "mine")
    weights = load_file(folder / "model.safetensors")
    key = next(key for key, value in weights.items() if key.endswith("key.weight"))
    save_file(weights | {key: spoil(weights[key])}, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=f"{folder}.*: '{key}' {message}.*; choose another"):
        hub.build(folder, "semantic-segmentation", None)


def test_a_weight_that_counts_may_not_be_missing(folders, tmp_path):
    folder = shutil.copytree(folders("depth"), tmp_path / "mine")
    weights = load_file(folder / "model.safetensors")
    unused = {key for key in weights if key.startswith("neck.fusion_stage.layers.0.residual_layer1")}
    assert unused
    save_file({k: v for k, v in weights.items() if k not in unused}, folder / "model.safetensors", {"format": "pt"})
    hub.build(folder, "depth-estimation", None)
    for layer in ("head.head.4", "neck.reassemble_stage.layers.0.projection"):
        lacking = unused | {key for key in weights if key.startswith(layer)}
        save_file(
            {k: v for k, v in weights.items() if k not in lacking}, folder / "model.safetensors", {"format": "pt"}
        )
        said = re.escape(f"model: {folder}: its file lacks '{layer}.bias' and 1 more; choose")
        with pytest.raises(UserError, match=f"^{said}"):
            hub.build(folder, "depth-estimation", None)


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cached(folders, tmp_path, monkeypatch):
    """The hub's cache with one model, at the tag ``v1``."""
    import huggingface_hub.constants as constants

    repository = tmp_path / "models--someone--something"
    shutil.copytree(folders("depth"), repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "v1").write_text(COMMIT)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HOURGLASS_OFFLINE", "1")


def test_a_revision_of_the_hub_is_taken_from_its_cache(cached):
    assert hub.snapshot("someone/something", "v1").name == COMMIT
    with pytest.raises(UserError, match=r"^model: 'someone/something' at 'v2' cannot be loaded from the hub: [^\n]+$"):
        hub.snapshot("someone/something", "v2")
