"""Gradients: through the clusters, into the bias tables, and with gradient checkpointing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import hourglass
from hourglass import Plan

from ..releases import newer


def gradients(model: nn.Module, images: Tensor) -> dict[str, Tensor]:
    torch.manual_seed(0)  # drop path
    output = model.train()(images)
    (output if isinstance(output, Tensor) else output.last_hidden_state).square().mean().backward()
    return {name: value.grad for name, value in model.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("name", ["SwinModel", "Swinv2Model", "SamVisionEncoder-sdpa", "timm-swin", "timm-swinv2"])
def test_gradients_reach_every_parameter(name, by_name):
    model = hourglass.apply(by_name[name].model(), Plan(3, (3, 3), temperature=0.2, form="published"))
    found = gradients(model, by_name[name].images())
    assert set(found) >= {name for name, _ in model.named_parameters() if "mask_token" not in name}
    assert all(torch.isfinite(value).all() for value in found.values())
    biases = [
        value for name, value in found.items() if "bias_table" in name or "_bias_mlp" in name or "rel_pos" in name
    ]
    assert all(value.abs().sum() > 0 for value in biases)


@newer
@pytest.mark.parametrize("name", ["SwinModel", "Swinv2Model", "SamVisionEncoder-eager", "timm-swin", "timm-swinv2"])
def test_gradient_checkpointing_changes_nothing(name, by_name):
    images, plan = by_name[name].images(), Plan(3, (3, 3), temperature=0.2, form="published")
    plain = gradients(hourglass.apply(by_name[name].model(), plan), images)
    model = hourglass.apply(by_name[name].model(), plan)
    model.set_grad_checkpointing() if name.startswith("timm") else model.activation_checkpointing_enable()
    saved = gradients(model, images)
    assert set(saved) == set(plain)
    for name, value in plain.items():
        torch.testing.assert_close(saved[name], value)
