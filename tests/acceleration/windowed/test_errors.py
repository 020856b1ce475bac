"""What does not fit is refused in one line, and nothing is changed."""

from __future__ import annotations

import pytest
import torch
from transformers import SamVisionConfig
from transformers.models.sam.modeling_sam import SamVisionEncoder

import hourglass
from hourglass import Plan

TRANSFORMERS = ["SwinModel", "Swinv2Backbone", "Mask2FormerForUniversalSegmentation", "SamModel"]


def refused(model: torch.nn.Module, plan: Plan) -> str:
    with pytest.raises(ValueError, match=r"^[^\n]+$") as caught:
        hourglass.apply(model, plan)
    assert not hourglass.is_applied(model)
    assert not any(module._forward_pre_hooks for module in model.modules())
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "blocks"), [("SwinModel", 6), ("UperNet-Swin", 8), ("timm-swinv2", 6), ("SamModel", 6)]
)
def test_start_beyond_the_last_block(name, blocks, by_name):
    message = refused(by_name[name].model(), Plan(blocks, (2, 2), form="published"))
    assert message.startswith(f"plan.start is {blocks}, but the encoder has {blocks} blocks")
    assert message.endswith(f"choose 0 to {blocks - 1}")


@pytest.mark.parametrize("name", [*TRANSFORMERS, "timm-swin"])
def test_clusters_larger_than_the_window(name, by_name):
    message = refused(by_name[name].model(), Plan(2, (5, 5), form="published"))
    assert message.startswith("plan.clusters are 5 x 5, but the attention windows hold 4 x 4 tokens")


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_clusters_that_are_not_square_where_windows_must_be(name, by_name):
    message = refused(by_name[name].model(), Plan(2, (3, 2), form="published"))
    assert message.startswith("plan.clusters are 3 x 2, but the attention windows of this model can only be square")


@pytest.mark.parametrize("name", [*TRANSFORMERS, "timm-swin"])
def test_reconstruction_after_a_decoder(name, by_name):
    message = refused(by_name[name].model(), Plan(2, (2, 2), reconstruct="decoder", form="published"))
    assert message.startswith("plan.reconstruct is 'decoder'")


def test_an_encoder_without_windows():
    model = SamVisionEncoder(SamVisionConfig(hidden_size=8, num_hidden_layers=2, num_attention_heads=2, window_size=0))
    assert "attends globally" in refused(model, Plan(1, (2, 2), form="published"))
