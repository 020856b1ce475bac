"""Linear interpolation in every class of encoders."""

from __future__ import annotations

import pytest
import torch

import hourglass
from hourglass import Plan

from .test_tracing import assert_same, prepared


@pytest.mark.filterwarnings("ignore:.*save nothing")
@torch.no_grad()
def test_every_class_takes_it(case):
    model, pictures = case.model(), case.images()
    before = case.run(model, pictures)
    hourglass.apply(model, Plan(case.start, case.finest, sharpness=1e6, interpolation="linear"))
    for one, other in zip(case.run(model, pictures), before, strict=True):  # each cluster is one token
        assert torch.dist(one, other) <= 2e-5 * other.norm() + 1e-5
    hourglass.remove(model)
    hourglass.apply(model, case.plan(interpolation="linear"))
    together = case.run(model, pictures)
    assert [tensor.shape for tensor in together] == [tensor.shape for tensor in before]
    singles = [case.run(model, image[None]) for image in pictures]
    for all_, alone in zip(together, zip(*singles, strict=True), strict=True):
        torch.testing.assert_close(all_, torch.cat(alone), rtol=1e-3, atol=5e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("name", ["timm ViT", "timm-swin"])
@torch.no_grad()
def test_it_compiles_and_exports_whole(name, by_name):
    module, images, expected = prepared(by_name[name], interpolation="linear")
    assert_same(torch.export.export(module, (images,)).module()(images), expected)
    torch._dynamo.reset()
    assert_same(torch.compile(module, backend="eager", fullgraph=True)(images), expected)


def test_training_reaches_the_first_layer(by_name):
    case = by_name["timm ViT"]
    gradients = case.train(hourglass.apply(case.model(), case.plan(interpolation="linear")), case.images())
    assert all(value.isfinite().all() for value in gradients.values())
    assert any(value.abs().sum() > 0 for name, value in gradients.items() if "patch_embed" in name)
