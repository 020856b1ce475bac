"""What holds for models with attention windows alone."""

from __future__ import annotations

import pytest
import torch

import hourglass
from hourglass import Plan

from ..releases import newer

PLAN = Plan(start=3, clusters=(2, 2), temperature=0.2, form="published")  # an odd block, in the second stage of a Swin


def test_both_semantics_differ(entry):
    images = entry.images()
    official, paper = (
        entry.run(
            hourglass.apply(entry.model(), Plan(3, (2, 2), temperature=0.2, semantics=semantics, form="published")),
            images,
        )
        for semantics in ("official", "paper")
    )
    assert not all(map(torch.equal, official, paper))


@newer
@pytest.mark.parametrize("name", ["SwinModel", "SwinBackbone", "Swinv2Model", "MaskFormerSwinBackbone", "timm-swin"])
def test_any_size_after_any_other(name, by_name, images):
    entry, sizes = by_name[name], [(44, 76), (32, 32), (100, 36), (64, 64), (44, 76)]
    model = hourglass.apply(entry.model(), PLAN)
    once = [entry.run(hourglass.apply(entry.model(), PLAN), images(1, 3, *size)) for size in sizes]
    again = [entry.run(model, images(1, 3, *size)) for size in sizes]
    for one, other in zip(once, again, strict=True):
        assert all(map(torch.equal, one, other))


@pytest.mark.parametrize("name", ["SwinModel", "Swinv2Model", "SamVisionEncoder-eager", "timm-swin", "timm-swinv2"])
@pytest.mark.parametrize("start", range(6))
def test_every_start(name, start, by_name):
    entry = by_name[name]
    model, images = entry.model(), entry.images(batch=1)
    before = entry.run(model, images)
    after = entry.run(hourglass.apply(model, Plan(start, (3, 3), form="published")), images)
    assert [tensor.shape for tensor in after] == [tensor.shape for tensor in before]
    assert not torch.equal(after[0], before[0])


@pytest.mark.parametrize("name", ["SwinModel", "Swinv2Model", "SamVisionEncoder-sdpa", "timm-swin", "timm-swinv2"])
def test_half_precision_stays_close(name, by_name, images):
    entry, plan = by_name[name], Plan(3, (3, 3), temperature=0.2, form="published")
    inputs = images(2, 3, *((44, 44) if "Sam" in name else (64, 64)))
    full = entry.run(hourglass.apply(entry.model(), plan), inputs)
    half = entry.run(hourglass.apply(entry.model().half(), plan), inputs.half())
    for one, other in zip(half, full, strict=True):
        assert one.dtype == torch.float16
        assert (one.float() - other).norm() < 0.05 * other.norm()
