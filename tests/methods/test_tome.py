"""ToMe in whole models, against the authors' flow written out: merge, run, undo, for each attention and each MLP."""

from __future__ import annotations

import copy
import re

import pytest
import torch
from torch import nn

from hourglass import methods
from hourglass.methods.merging import match
from hourglass.registry import UserError

timm = pytest.importorskip("timm")
transformers = pytest.importorskip("transformers")


def vit(**settings):
    torch.manual_seed(0)
    return timm.models.vision_transformer.VisionTransformer(
        img_size=64, patch_size=8, embed_dim=48, depth=3, num_heads=3, num_classes=0, global_pool="", **settings
    ).eval()


def alone(output):
    """Of an attention or a layer of DPT, which returned a tuple until transformers 5."""
    return output[0] if isinstance(output, tuple) else output


def dpt():
    torch.manual_seed(0)
    config = transformers.DPTConfig(
        hidden_size=48, num_hidden_layers=4, num_attention_heads=3, intermediate_size=96, image_size=64, patch_size=8,
        backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[16, 16, 16, 16], fusion_hidden_size=16,
    )  # fmt: skip
    return transformers.DPTForDepthEstimation(config).eval()


def merged(sublayer, tokens, share):
    matching = match(tokens, int(tokens.shape[1] * share), 1)
    return matching.unmerge(sublayer(matching.merge(tokens)))


@torch.inference_mode()
@pytest.mark.parametrize("init_values", [None, 0.1], ids=["plain", "layer scale"])
def test_blocks_of_timm(init_values):
    model, images = vit(init_values=init_values), torch.rand(2, 3, 64, 64)
    tokens = model._pos_embed(model.patch_embed(images))
    for block in model.blocks:
        tokens = tokens + block.ls1(merged(block.attn, block.norm1(tokens), 0.3))
        tokens = tokens + block.ls2(merged(block.mlp, block.norm2(tokens), 0.3))
    assert methods.apply("tome", model, {"r_percent": 30}) is model
    torch.testing.assert_close(model.forward_features(images), model.norm(tokens))


@torch.inference_mode()
def test_layers_of_dpt():
    model, images = dpt(), torch.rand(2, 3, 64, 64)
    tokens = model.dpt.embeddings(images)[0]
    for layer in model.dpt.encoder.layer:
        tokens = tokens + merged(
            lambda few, layer=layer: alone(layer.attention(few)), layer.layernorm_before(tokens), 0.2
        )
        after = layer.layernorm_after(tokens)
        tokens = tokens + merged(lambda few, layer=layer: layer.output.dense(layer.intermediate(few)), after, 0.2)
    methods.apply("tome", model, {"r_percent": 20})
    found = model.dpt(images, output_hidden_states=True).hidden_states[-1]
    torch.testing.assert_close(found, tokens)


@torch.inference_mode()
def test_a_copy_is_merged_too_and_the_original_stays():
    model, images = vit(), torch.rand(1, 3, 64, 64)
    before = model(images)
    other = methods.apply("tome", copy.deepcopy(model), {"r_percent": 50})
    assert torch.equal(model(images), before)
    assert not torch.equal(other(images), before)
    assert torch.equal(copy.deepcopy(other)(images), other(images))
    assert other.state_dict().keys() == model.state_dict().keys()


def test_twice_is_an_error():
    model = methods.apply("tome", vit(), {"r_percent": 30})
    with pytest.raises(UserError, match="method 'tome': tokens are merged in this model already"):
        methods.apply("tome", model, {"r_percent": 30})


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "r_percent must be a number above 0 and at most 50, got None"),
        ({"r_percent": 60}, "at most 50, got 60"),
        ({"r_percent": True}, "must be a number"),
        ({"r": 20}, "unknown setting 'r'; known: r_percent"),
    ],
)
def test_wrong_settings_are_one_line(settings, expected):
    with pytest.raises(UserError, match=re.escape(expected)):
        methods.apply("tome", vit(), settings)


@pytest.mark.parametrize(
    ("model", "named"),
    [
        (nn.Linear(2, 2), "Linear has no blocks that are known to it"),
        (vit(block_fn=timm.models.vision_transformer.ParallelThingsBlock), "class ParallelThingsBlock"),
    ],
)
def test_what_is_not_known_is_refused(model, named):
    with pytest.raises(UserError, match=f"{named}.*supported: timm VisionTransformer"):
        methods.apply("tome", model, {"r_percent": 30})
    assert not any(module._forward_hooks for module in model.modules())
