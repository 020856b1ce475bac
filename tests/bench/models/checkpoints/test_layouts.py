"""Converted weights make the models here compute what the original code computes, and none is left over or missing."""

from __future__ import annotations

import pytest
import torch

from hourglass.bench import models
from hourglass.bench.models.checkpoints import LAYOUTS, convert, read_checkpoint
from hourglass.bench.models.checkpoints.prepared import fit
from hourglass.bench.models.depth import DepthEstimator
from hourglass.registry import UserError

TOLERANCE = 1e-5
"""Relative; another epsilon in a norm already makes more of a difference than this."""
ORIGINALS = [
    name
    for name in LAYOUTS.names()
    if name not in ("mask2former-transformers", "native") and not name.startswith("dinov2-")  # tested elsewhere
]


def test_golden_files_are_of_every_layout_with_an_original(golden):
    for layout in ORIGINALS:
        assert golden(layout)["made_with"]


@torch.inference_mode()
@pytest.mark.parametrize("layout", ORIGINALS)
def test_outputs_are_those_of_the_original_code(layout, small, golden, state, images):
    model = small(layout)
    model.load_state_dict(fit(convert(layout, state(layout)), model))
    for expected in golden(layout)["outputs"]:
        if isinstance(model, DepthEstimator):
            model.dpt.dpt.embeddings.image_size = tuple(expected["image"])
        output = model(images(*expected["image"]))
        if "masks" in expected:
            compare(output.class_queries_logits, expected["classes"])
            compare(output.masks_queries_logits, expected["masks"])
        else:
            compare(output, expected)


def compare(output, expected):
    assert list(output.shape) == expected["shape"]
    values = output.double().flatten()
    samples = values[torch.linspace(0, len(values) - 1, len(expected["samples"])).long()]
    wanted = torch.tensor(expected["samples"], dtype=torch.double)
    assert (samples - wanted).norm() <= TOLERANCE * wanted.norm()
    assert values.mean().item() == pytest.approx(expected["mean"], abs=TOLERANCE * expected["std"])
    assert values.std().item() == pytest.approx(expected["std"], rel=TOLERANCE)


@pytest.mark.parametrize("layout", ORIGINALS)
def test_full_size_models_get_every_weight(layout, golden, shapes):
    for name, patterns in golden(layout)["full"].items():
        with torch.device("meta"):
            published = {key: torch.empty(shape) for key, shape in shapes(patterns).items()}
        fit(convert(layout, published), models.build_meta(name))


@pytest.mark.parametrize(
    "model", [name for name in models.MODELS.names() if models.card(name).layout == "mask2former-detectron2"]
)
def test_every_mask2former_gets_every_weight(model, golden, shapes):
    patterns = golden("mask2former-detectron2")["full"]["mask2former-swin-l-coco-panoptic"]
    built = models.build_meta(model)
    config = built.mask2former.config
    sizes = {134: config.num_labels + 1, 200: config.num_queries}
    with torch.device("meta"):
        published = {
            key: torch.empty([sizes.get(size, size) for size in shape]) for key, shape in shapes(patterns).items()
        }
    fit(convert("mask2former-detectron2", published), built)


def test_files_of_the_hub_mean_what_transformers_takes_them_for(small, tmp_path):
    model = small("mask2former-transformers")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    norms = model.mask2former.model.pixel_level_module.encoder
    norms.swin.layernorm.load_state_dict(norms.hidden_states_norms.stage4.state_dict())
    model.mask2former.save_pretrained(tmp_path)
    read = read_checkpoint(tmp_path / "model.safetensors")
    assert any(".attention.self.query." in key for key in read)
    converted = fit(convert("mask2former-transformers", read), model)
    for key, value in model.state_dict().items():
        assert torch.equal(converted[key], value), key


def test_older_detectron2_files_are_known_too(small, state):
    layout, model = "mask2former-detectron2", small("mask2former-detectron2")
    new = state(layout)
    old = {
        key.replace("pixel_decoder.", "").replace("query_feat", "static_query"): value for key, value in new.items()
    } | {"pixel_mean": torch.zeros(3, 1, 1)}
    assert old.keys() != new.keys()
    wanted = fit(convert(layout, new), model)
    assert all(torch.equal(value, wanted[key]) for key, value in fit(convert(layout, old), model).items())


def test_a_missing_bias_of_mmseg_is_zero_and_a_given_one_is_kept(state):
    weights = state("segmenter-mmseg")
    bias = "backbone.patch_embed.projection.bias"
    assert bias not in weights
    assert not convert("segmenter-mmseg", weights)["encoder.patch_embed.proj.bias"].any()
    given = {**weights, bias: torch.ones(128)}
    assert convert("segmenter-mmseg", given)["encoder.patch_embed.proj.bias"].all()


@pytest.mark.parametrize(
    ("layout", "what"),
    [
        (
            "segmenter-mmseg",
            r"layout: 'segmenter-mmseg' has no 'encoder.cls_token', .* and 62 more; its keys are those of",
        ),
        ("dpt-originl", "unknown layout 'dpt-originl'; did you mean 'dpt-original'"),
    ],
)
def test_a_wrong_layout_is_said_in_one_line(layout, what, state):
    with pytest.raises(UserError, match=what) as said:
        convert(layout, state("segmenter-official"))
    assert "\n" not in str(said.value)


def test_a_foreign_checkpoint_is_said_in_one_line():
    with pytest.raises(UserError, match=r"layout: 'dpt-original' has no 'fc.weight'; choose another checkpoint"):
        convert("dpt-original", {"fc.weight": torch.ones(1)})


def test_a_weight_that_cannot_be_taken_apart(state):
    weights = {**state("dpt-original"), "pretrained.model.blocks.0.attn.qkv.bias": torch.tensor(1.0)}
    with pytest.raises(UserError, match=r"'pretrained.model.blocks.0.attn.qkv.bias' cannot be \(\) in 'dpt-original'"):
        convert("dpt-original", weights)


def test_missing_surplus_and_misshapen_weights_are_named(small, state):
    model = small("segmenter-official")
    converted = convert("segmenter-official", state("segmenter-official"))
    shorter = {key: value for key, value in converted.items() if not key.startswith("decoder.blocks.1.")}
    with pytest.raises(UserError, match=r"lacks 'decoder.blocks.1.norm1.weight', .* and 9 more"):
        fit(shorter, model)
    with pytest.raises(UserError, match=r"holds 'encoder.fc', which the model does not have"):
        fit({**converted, "encoder.fc": torch.ones(1)}, model)
    with pytest.raises(UserError, match=r"'decoder.class_tokens' is \(1, 6, 128\) in place of \(1, 5, 128\)"):
        fit({**converted, "decoder.class_tokens": torch.ones(1, 6, 128)}, model)
