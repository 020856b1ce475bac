"""A checkpoint becomes the file that the model is loaded from: whole, once, and saying where it comes from."""

from __future__ import annotations

import errno
import json
from hashlib import sha256

import pytest
import torch
from safetensors import safe_open

from hourglass.bench import downloads, models
from hourglass.bench.models.checkpoints import prepare, prepared
from hourglass.registry import UserError

NAME = "segmenter-scenes"
FILE = "segmenter_l16_mask_ade20k.pth"
PUBLISHED_AS = {"project_in": "proj_dec", "norm_scores": "mask_norm", "norm.": "decoder_norm."}
EXACTLY = {"class_tokens": "cls_emb", "project_tokens": "proj_patch", "project_classes": "proj_classes"}


def renamed(weights):
    """Weights of a Segmenter under the original's names."""

    def name(key):
        part, _, rest = key.partition(".")
        if part == "decoder" and not rest.startswith("blocks."):
            rest = EXACTLY.get(rest, rest)
            for ours, theirs in PUBLISHED_AS.items():
                rest = theirs + rest.removeprefix(ours) if rest.startswith(ours) else rest
        return f"{part}.{rest}"

    return {name(key): value for key, value in weights.items()} | {"encoder.head.weight": torch.ones(1000, 192)}


def built(folder):
    return models.build(NAME, folder / "data").state_dict()


@pytest.fixture
def weights():
    torch.manual_seed(0)
    return models.build_untrained(NAME).state_dict()


@pytest.fixture
def checkpoint(tmp_path, monkeypatch, weights):
    """The published file of a model that is small here."""
    path = tmp_path / "data" / "downloads" / FILE
    path.parent.mkdir(parents=True)
    torch.save({"model": renamed(weights)}, path)
    published = {"shipped": False, "artifact": "segmenter-l16-mask-ade20k", "layout": "segmenter-official"}
    card = models.card(NAME).model_copy(update=published)
    monkeypatch.setattr(downloads, "fetch", lambda artifact, root: root / "downloads" / FILE)
    with models.MODELS.replaced(NAME, card):
        yield path


def test_the_model_is_loaded_from_what_was_prepared(checkpoint, weights, tmp_path):
    path = prepare(NAME, root=tmp_path / "data")
    assert path == tmp_path / "data" / "checkpoints" / f"{NAME}.safetensors"
    for key, value in built(tmp_path).items():
        assert torch.equal(value, weights[key])
    with safe_open(path, framework="pt") as file:
        assert json.loads(file.metadata()["origin"]) == {
            "model": NAME,
            "layout": "segmenter-official",
            "source": FILE,
            "sha256": sha256(checkpoint.read_bytes()).hexdigest(),
        }


def test_what_is_prepared_twice_is_the_same_file(checkpoint, tmp_path):
    contents = {
        prepare(NAME, root=tmp_path / f"data{number}", checkpoint=checkpoint).read_bytes() for number in range(3)
    }
    assert len(contents) == 1


def test_what_is_prepared_is_not_prepared_again(checkpoint, tmp_path):
    path = prepare(NAME, root=tmp_path / "data")
    before = path.stat().st_mtime_ns
    assert prepare(NAME, root=tmp_path / "data", checkpoint=checkpoint) == path
    checkpoint.unlink()
    assert prepare(NAME, root=tmp_path / "data") == path
    assert path.stat().st_mtime_ns == before


def test_another_checkpoint_or_a_damaged_result_is_prepared_anew(checkpoint, weights, tmp_path):
    path = prepare(NAME, root=tmp_path / "data")
    other = tmp_path / "other.pth"
    torch.save(renamed({key: value + 1 for key, value in weights.items()}), other)
    prepare(NAME, root=tmp_path / "data", checkpoint=other)
    assert torch.equal(built(tmp_path)["encoder.cls_token"], weights["encoder.cls_token"] + 1)
    prepare(NAME, root=tmp_path / "data")
    assert torch.equal(built(tmp_path)["encoder.cls_token"], weights["encoder.cls_token"])
    path.write_bytes(path.read_bytes()[:50])
    prepare(NAME, root=tmp_path / "data")
    assert torch.equal(built(tmp_path)["encoder.cls_token"], weights["encoder.cls_token"])


def test_a_checkpoint_that_does_not_fit_is_named_and_changes_nothing(checkpoint, weights, tmp_path):
    other = tmp_path / "small.pth"
    torch.save(renamed({key: value for key, value in weights.items() if "blocks.3" not in key}), other)
    with pytest.raises(UserError, match=r"small.pth: lacks 'encoder.blocks.3.norm1.weight', .*; choose another"):
        prepare(NAME, root=tmp_path / "data", checkpoint=other)
    with pytest.raises(UserError, match=r"small.pth: layout: 'segmenter-mmseg' has no .*; its keys are those of 'segm"):
        prepare(NAME, root=tmp_path / "data", checkpoint=other, layout="segmenter-mmseg")
    assert not (tmp_path / "data" / "checkpoints").exists()


def test_a_full_disk_leaves_no_half_a_file(checkpoint, tmp_path, monkeypatch):
    def full(weights, path, metadata):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(prepared, "save_file", full)
    with pytest.raises(UserError, match=r"segmenter-scenes.safetensors: cannot be written: .*No space left on device"):
        prepare(NAME, root=tmp_path / "data")
    assert list((tmp_path / "data" / "checkpoints").iterdir()) == []


@pytest.mark.parametrize("name", ["dpt-scenes", "dino-swin-l-coco"])
def test_models_without_a_checkpoint_to_convert(name, tmp_path):
    with pytest.raises(UserError, match=f"model: '{name}' has no checkpoint to convert"):
        prepare(name, root=tmp_path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda value: value / 0, "holds values that are infinite or no number"),
        (lambda value: value * float("nan"), "holds values that are infinite or no number"),
        (lambda value: value.double() * 1e300, "holds values that are infinite or no number"),
        (lambda value: value.to(torch.int8), "is int8 in place of float32: not the numbers of a trained model"),
        (lambda value: value > 0, "is bool in place of float32"),
        (lambda value: value.to(torch.complex64), "is complex64 in place of float32"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_weights_that_are_not_those_of_a_trained_model_are_named(checkpoint, weights, spoil, message, tmp_path):
    key = "encoder.blocks.3.norm1.weight"
    torch.save(renamed(weights | {key: spoil(weights[key])}), tmp_path / "spoiled.pth")
    with pytest.raises(UserError, match=f"spoiled.pth: '{key}' {message}.*; choose another checkpoint"):
        prepare(NAME, root=tmp_path / "data", checkpoint=tmp_path / "spoiled.pth")
    assert not (tmp_path / "data" / "checkpoints").exists()


def test_half_precision_is_as_good(checkpoint, weights, tmp_path):
    torch.save(renamed({key: value.half() for key, value in weights.items()}), tmp_path / "half.pth")
    path = prepare(NAME, root=tmp_path / "data", checkpoint=tmp_path / "half.pth")
    with safe_open(path, framework="pt") as file:
        assert {str(file.get_tensor(key).dtype) for key in file.keys()} == {"torch.float32"}  # noqa: SIM118
