"""Average pooling with bilinear rebuilding, against its definition written out."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

import hourglass
from hourglass import methods
from hourglass.methods.pooling import PooledTokens
from hourglass.registry import UserError

from .test_tome import alone, dpt, vit

swin_transformer = pytest.importorskip("timm.models.swin_transformer")
PLAN = {"start": 1, "clusters": [3, 5]}


def pooled(tokens, grid=(8, 8), few=(3, 5)):
    image = tokens[:, 1:].transpose(1, 2).unflatten(2, grid)
    return torch.cat([tokens[:, :1], adaptive_avg_pool2d(image, few).flatten(2).transpose(1, 2)], dim=1)


def rebuilt(refined, tokens, residual, grid=(8, 8), few=(3, 5)):
    change = refined - pooled(tokens, grid, few) if residual else refined
    image = change[:, 1:].transpose(1, 2).unflatten(2, few)
    whole = interpolate(image, grid, mode="bilinear", align_corners=False).flatten(2).transpose(1, 2)
    return torch.cat([refined[:, :1], tokens[:, 1:] + whole if residual else whole], dim=1)


@torch.inference_mode()
@pytest.mark.parametrize("residual", [False, True])
def test_blocks_of_timm(residual):
    model, images = vit(), torch.rand(2, 3, 64, 64)
    tokens = model.blocks[0](model._pos_embed(model.patch_embed(images)))
    refined = model.blocks[2](model.blocks[1](pooled(tokens)))
    expected = model.norm(rebuilt(refined, tokens, residual))
    untouched = model.forward_features(images)
    assert methods.apply("average-pooling", model, {**PLAN, "residual": residual}) is model
    torch.testing.assert_close(model.forward_features(images), expected)
    methods.remove("average-pooling", model)
    assert torch.equal(model.forward_features(images), untouched)


@torch.inference_mode()
@pytest.mark.parametrize("residual", [False, True])
def test_layers_of_dpt_hand_out_all_tokens(residual):
    model, images = dpt(), torch.rand(2, 3, 64, 64)
    states = [model.dpt.embeddings(images)[0]]
    states.append(alone(model.dpt.encoder.layer[0](states[0])))
    few = pooled(states[1])
    for layer in model.dpt.encoder.layer[1:]:
        few = alone(layer(few))
        states.append(rebuilt(few, states[1], residual))
    methods.apply("average-pooling", model, {**PLAN, "residual": residual})
    torch.testing.assert_close(model.dpt(images, output_hidden_states=True).hidden_states, tuple(states))


def swin():
    torch.manual_seed(0)
    return swin_transformer.SwinTransformer(
        img_size=64, patch_size=4, window_size=4, embed_dim=8, depths=(2, 2), num_heads=(1, 2), num_classes=0
    ).eval()


@torch.inference_mode()
def test_stages_of_a_swin_see_pooled_windows_and_as_many_as_there_are_change_nothing():
    model, images, seen = swin(), torch.rand(2, 3, 64, 64), []
    untouched = model.forward_features(images)
    methods.apply("average-pooling", model, {"start": 3, "clusters": [4, 4]})
    torch.testing.assert_close(model.forward_features(images), untouched)
    methods.remove("average-pooling", model)
    block = model.layers[1].blocks[1]
    block.mlp.register_forward_pre_hook(lambda module, args: seen.append(tuple(args[0].shape[1:-1])))
    methods.apply("average-pooling", model, {"start": 3, "clusters": [2, 2]})
    assert model.forward_features(images).shape == untouched.shape
    assert seen == [(16,)]  # 8 x 8 tokens in four windows of 2 x 2


def test_windows_are_pooled_one_by_one_the_last_ones_in_proportion():
    tokens = torch.rand(2, 10, 8, 3, dtype=torch.float64)
    found = PooledTokens(tokens, (4, 4), (2, 2), residual=False)
    assert found.small_grid == (5, 4)
    for row, column in [(0, 0), (2, 1), (4, 3)]:
        cell = tokens[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].mean(dim=(1, 2))
        torch.testing.assert_close(found.small[:, row, column], cell)
    ramp = torch.arange(4.0).expand(1, 5, 4)[..., None]
    one_row = found.rebuild(ramp)[0, 0, :, 0]
    torch.testing.assert_close(one_row, torch.tensor([0.0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.0]))


@torch.inference_mode()
def test_images_of_a_batch_do_not_know_of_each_other():
    model, images = methods.apply("average-pooling", vit(), PLAN), torch.rand(3, 3, 64, 64)
    torch.testing.assert_close(model(images)[1:2], model(images[1:2]))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"start": 1}, "setting 'clusters' is missing"),
        ({"start": 1, "clusters": [0, 2]}, "plan.clusters must be at least 1, got 0"),
        ({**PLAN, "residual": 1}, "residual must be true or false, got 1"),
        ({**PLAN, "neighbors": 4}, "unknown setting 'neighbors'"),
        ({"start": 3, "clusters": [3, 5]}, "plan.start is 3, but the encoder has 3 blocks"),
    ],
)
def test_wrong_settings_are_one_line(settings, expected):
    model = vit()
    with pytest.raises(UserError, match=re.escape(expected)) as caught:
        methods.apply("average-pooling", model, settings)
    assert "\n" not in str(caught.value)
    methods.apply("average-pooling", model, PLAN)  # nothing was left behind


def test_what_is_changed_already_or_not_known_is_refused():
    with pytest.raises(UserError, match="Linear contains no encoder that can be accelerated"):
        methods.apply("average-pooling", nn.Linear(2, 2), PLAN)
    model = methods.apply("average-pooling", vit(), PLAN)
    with pytest.raises(UserError, match="tokens are pooled in this model already"):
        methods.apply("average-pooling", model, PLAN)
    with pytest.raises(ValueError, match=r"call hourglass\.remove\(model\) first"):
        hourglass.apply(model, hourglass.Plan(1, (3, 5)))
