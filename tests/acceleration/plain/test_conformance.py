"""What holds for every supported plain vision transformer. Clusters of a whole grid's size change features too, so
equality with the untouched model is not among it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import hourglass
from hourglass import Plan

PLAN = Plan(start=1, clusters=(3, 4), form="published")


@pytest.fixture(autouse=True)
def _without_gradients():
    with torch.no_grad():
        yield


def hooks(model: nn.Module) -> list[tuple[object, ...]]:
    """Everything that apply could leave behind: hooks, attributes and the identity of what modules hold."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_forward_hooks_with_kwargs", "_forward_pre_hooks_with_kwargs")
    return [
        (*(tuple(getattr(module, kind).values()) for kind in (*kinds, "_forward_hooks_always_called")),
         sorted(module.__dict__), [id(value) for value in (*module._parameters.values(), *module._modules.values())])
        for module in model.modules()
    ]  # fmt: skip


def test_shapes_stay_and_values_change(entry):
    model, images = entry.model(), entry.images()
    before = entry.run(model, images)
    after = entry.run(hourglass.apply(model, PLAN), images)
    assert [tensor.shape for tensor in after] == [tensor.shape for tensor in before]
    assert all(torch.isfinite(tensor).all() for tensor in after)
    assert not all(map(torch.equal, after, before))


def test_remove_restores_the_same_model_bit_for_bit(entry):
    model, images = entry.model(), entry.images()
    before = entry.run(model, images)  # transformers installs its own hooks in the first forward pass
    keys, parts = list(model.state_dict()), hooks(model)
    assert hourglass.apply(model, PLAN) is model
    assert hourglass.is_applied(model)
    assert list(model.state_dict()) == keys
    entry.run(model, images)
    assert hourglass.remove(model) is model
    assert not hourglass.is_applied(model)
    assert hooks(model) == parts
    assert all(map(torch.equal, entry.run(model, images), before))


def test_applied_again_gives_the_same_and_so_does_a_copy(entry):
    model, images = entry.model(), entry.images()
    first = entry.run(hourglass.apply(model, PLAN), images)
    assert all(map(torch.equal, entry.run(model, images), first))
    twin = copy.deepcopy(model)
    hourglass.remove(model)
    assert hourglass.is_applied(twin)
    assert all(map(torch.equal, entry.run(twin, images), first))
    assert all(map(torch.equal, entry.run(hourglass.apply(model, PLAN), images), first))
    hourglass.remove(model)
    assert all(map(torch.equal, entry.run(hourglass.remove(twin), images), entry.run(model, images)))


def test_a_batch_is_its_images_one_by_one(entry):
    model, images = hourglass.apply(entry.model(), PLAN), entry.images(batch=3)
    singles = [entry.run(model, image[None]) for image in images]
    for together, alone in zip(entry.run(model, images), zip(*singles, strict=True), strict=True):
        torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-4)


def test_blocks_keep_fused_attention_and_see_the_clusters(entry, monkeypatch):
    lengths: list[int] = []
    fused = functional.scaled_dot_product_attention

    def counted(query: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        lengths.append(query.shape[-2])
        return fused(query, *args, **kwargs)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", counted)
    entry.run(hourglass.apply(entry.model(), PLAN), entry.images())
    assert lengths[:4] == [entry.tokens] + 3 * [entry.prefix + 12]


def test_half_precision_stays_what_it_is_and_close(entry):
    model, images = hourglass.apply(entry.model(), PLAN), entry.images()
    expected = entry.run(model, images)
    for got, want in zip(entry.run(model.bfloat16(), images.bfloat16()), expected, strict=True):
        assert got.dtype == torch.bfloat16
        assert torch.dist(got.float(), want) < 0.2 * want.norm() + 1e-3


def test_gradients_reach_the_first_block_in_training(entry):
    model = hourglass.apply(entry.model(), PLAN).train()
    with torch.enable_grad():
        outputs = entry.run(model, entry.images())
        sum(tensor.square().mean() for tensor in outputs).backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if "patch_embed" in name or "projection" in name}
    assert any(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients.values())
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())
