"""EViT in whole models, against the published flow written out."""

from __future__ import annotations

import copy
import math
import re

import pytest
import torch
from torch import nn

from hourglass import methods
from hourglass.methods.dropping import drop
from hourglass.registry import UserError

from .test_tome import alone, dpt, vit

PLAN = {"keep_rate": 0.6, "blocks": [0, 2], "neighbors": 5, "temperature": 0.1}


def attention_of_class_token(tokens, attention):
    qkv = attention.qkv(tokens).unflatten(2, (3, attention.num_heads, attention.head_dim))
    queries, keys, _ = qkv.permute(2, 0, 3, 1, 4)
    weights = (queries @ keys.transpose(2, 3) / attention.head_dim**0.5).softmax(dim=-1)
    return weights.mean(dim=1)[:, 0, 1:]


def narrowed(tokens, attention, droppings):
    kept = math.ceil(PLAN["keep_rate"] * (tokens.shape[1] - 1))
    few, dropping = drop(tokens[:, 1:], attention, kept)
    droppings.append(dropping)
    return torch.cat([tokens[:, :1], few], dim=1)


def widened(tokens, droppings):
    behind = tokens[:, 1:]
    for dropping in reversed(droppings):
        behind = dropping.reconstruct(behind, PLAN["neighbors"], PLAN["temperature"])
    return torch.cat([tokens[:, :1], behind], dim=1)


@torch.inference_mode()
@pytest.mark.parametrize("init_values", [None, 0.1], ids=["plain", "layer scale"])
def test_blocks_of_timm(init_values):
    model, images, droppings = vit(init_values=init_values), torch.rand(2, 3, 64, 64), []
    tokens = model._pos_embed(model.patch_embed(images))
    for index, block in enumerate(model.blocks):
        normed = block.norm1(tokens)
        tokens = tokens + block.ls1(block.attn(normed))
        if index in PLAN["blocks"]:
            tokens = narrowed(tokens, attention_of_class_token(normed, block.attn), droppings)
        tokens = tokens + block.ls2(block.mlp(block.norm2(tokens)))
    assert tokens.shape[1] == 1 + math.ceil(0.6 * (math.ceil(0.6 * 64) + 1)) + 1
    expected = widened(model.norm(tokens), droppings)
    assert methods.apply("evit", model, PLAN) is model
    torch.testing.assert_close(model.forward_features(images), expected)


@torch.inference_mode()
def test_layers_of_dpt_hand_out_all_tokens():
    model, images, droppings = dpt(), torch.rand(2, 3, 64, 64), []
    tokens, expected = model.dpt.embeddings(images)[0], []
    for index, layer in enumerate(model.dpt.encoder.layer):
        expected.append(widened(tokens, droppings))
        normed, inner = layer.layernorm_before(tokens), layer.attention.attention
        tokens = tokens + alone(layer.attention(normed))
        if index in PLAN["blocks"]:
            heads = (inner.num_attention_heads, inner.attention_head_size)
            queries, keys = (part(normed).unflatten(2, heads).transpose(1, 2) for part in (inner.query, inner.key))
            weights = (queries @ keys.transpose(2, 3) * inner.attention_head_size**-0.5).softmax(dim=-1)
            tokens = narrowed(tokens, weights.mean(dim=1)[:, 0, 1:], droppings)
        tokens = layer.output(layer.intermediate(layer.layernorm_after(tokens)), tokens)
    expected.append(widened(tokens, droppings))
    whole = model(images).predicted_depth.shape
    methods.apply("evit", model, PLAN)
    torch.testing.assert_close(model.dpt(images, output_hidden_states=True).hidden_states, tuple(expected))
    assert model(images).predicted_depth.shape == whole


@torch.inference_mode()
@pytest.mark.parametrize("keep_rate", [0.98, 0.99], ids=["one dropped and fused", "none dropped"])
def test_a_dropping_that_leaves_as_many_tokens_as_before(keep_rate):
    plan, images = PLAN | {"keep_rate": keep_rate, "blocks": [1]}, torch.rand(1, 3, 64, 64)
    before = dpt().dpt(images, output_hidden_states=True).hidden_states
    after = methods.apply("evit", dpt(), plan).dpt(images, output_hidden_states=True).hidden_states
    same = [torch.equal(state, other) for state, other in zip(before, after, strict=True)]
    assert same == [True, True, *[keep_rate == 0.99] * 3]


@torch.inference_mode()
def test_a_copy_drops_too_and_the_original_stays():
    model, images = vit(), torch.rand(1, 3, 64, 64)
    before = model(images)
    other = methods.apply("evit", copy.deepcopy(model), PLAN)
    assert torch.equal(model(images), before)
    assert not torch.equal(other(images), before)
    assert torch.equal(copy.deepcopy(other)(images), other(images))
    assert other.state_dict().keys() == model.state_dict().keys()


@torch.inference_mode()
def test_images_of_a_batch_do_not_know_of_each_other():
    model, images = methods.apply("evit", vit(), PLAN), torch.rand(3, 3, 64, 64)
    torch.testing.assert_close(model(images)[1:2], model(images[1:2]))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"keep_rate": 1.0}, "keep_rate must be a number above 0 and below 1, got 1.0"),
        ({"blocks": [0, 3]}, "blocks [0, 3]: the encoder has 3, from 0 on"),
        ({"keep": 0.5}, "unknown setting 'keep'; did you mean 'keep_rate'"),
    ],
)
def test_wrong_settings_are_one_line(changes, expected):
    model = vit()
    with pytest.raises(UserError, match=re.escape(expected)) as caught:
        methods.apply("evit", model, PLAN | changes)
    assert "\n" not in str(caught.value)
    assert {type(block).__name__ for block in model.blocks} == {"Block"}


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (nn.Linear(2, 2), "Linear has no encoder that is known to it"),
        (vit(class_token=False), "needs one class token"),
        (vit(reg_tokens=2), "needs one class token"),
    ],
)
def test_what_is_not_known_is_refused(model, expected):
    with pytest.raises(UserError, match=f"{expected}.*supported: timm VisionTransformer"):
        methods.apply("evit", model, PLAN)


def test_twice_is_an_error():
    model = methods.apply("evit", vit(), PLAN)
    with pytest.raises(UserError, match="method 'evit': tokens are dropped in this model already"):
        methods.apply("evit", model, PLAN)
