"""What holds for every supported model with attention windows."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

import hourglass
from hourglass import Plan

PLAN = Plan(start=3, clusters=(2, 2), temperature=0.2, form="published")  # an odd block, in the second stage of a Swin


def parts(model: nn.Module) -> list[tuple[object, ...]]:
    """Everything that could be left behind: hooks, attributes, and the identity of what modules hold."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_forward_hooks_with_kwargs", "_forward_pre_hooks_with_kwargs")
    return [
        (
            *(tuple(getattr(module, kind).values()) for kind in (*kinds, "_forward_hooks_always_called")),
            {name: value for name, value in module.__dict__.items() if isinstance(value, int | tuple)},
            sorted(module.__dict__),
            [id(value) for held in (module._parameters, module._buffers, module._modules) for value in held.values()],
        )
        for module in model.modules()
    ]


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
    keys, untouched = list(model.state_dict()), parts(model)
    assert hourglass.apply(model, PLAN) is model
    assert list(model.state_dict()) == keys
    entry.run(model, images)
    assert list(model.state_dict()) == keys
    assert hourglass.remove(model) is model
    assert parts(model) == untouched
    assert all(map(torch.equal, entry.run(model, images), before))


def test_applied_again_gives_the_same_and_so_does_a_copy(entry):
    model, images = entry.model(), entry.images()
    first = entry.run(hourglass.apply(model, PLAN), images)
    assert all(map(torch.equal, entry.run(model.train().eval(), images), first))
    twin = copy.deepcopy(model)
    hourglass.remove(model)
    assert all(map(torch.equal, entry.run(twin, images), first))
    assert all(map(torch.equal, entry.run(hourglass.apply(model, PLAN), images), first))
    hourglass.remove(model)
    assert all(map(torch.equal, entry.run(hourglass.remove(twin), images), entry.run(model, images)))


def test_a_batch_is_its_images_one_by_one(entry):
    model, images = hourglass.apply(entry.model(), PLAN), entry.images()
    singles = [entry.run(model, image[None]) for image in images]
    for together, alone in zip(entry.run(model, images), zip(*singles, strict=True), strict=True):
        torch.testing.assert_close(together, torch.cat(alone), rtol=1e-3, atol=1e-4)


def test_both_semantics_differ(entry):
    images = entry.images()
    official, paper = (
        entry.run(hourglass.apply(entry.model(), Plan(3, (2, 2), temperature=0.2, semantics=semantics, form="published")), images)
        for semantics in ("official", "paper")
    )
    assert not all(map(torch.equal, official, paper))


@pytest.mark.parametrize("name", ["SwinModel", "SwinBackbone", "Swinv2Model", "MaskFormerSwinBackbone", "timm-swin"])
def test_any_size_after_any_other(name, by_name, images):
    entry, sizes = by_name[name], [(44, 76), (32, 32), (100, 36), (64, 64), (44, 76)]
    model = hourglass.apply(entry.model(), PLAN)
    once = [entry.run(hourglass.apply(entry.model(), PLAN), images(1, 3, *size)) for size in sizes]
    again = [entry.run(model, images(1, 3, *size)) for size in sizes]
    for one, other in zip(once, again, strict=True):
        assert all(map(torch.equal, one, other))


@pytest.mark.parametrize("name", ["Swinv2Model", "SamVisionEncoder-sdpa", "timm-swin", "timm-swinv2"])
def test_pickle_keeps_the_hourglass(name, by_name):
    entry = by_name[name]
    model, images = hourglass.apply(entry.model(), PLAN), entry.images()
    loaded = pickle.loads(pickle.dumps(model))
    outputs = entry.run(model, images)
    assert all(map(torch.equal, entry.run(loaded, images), outputs))
    assert all(map(torch.equal, entry.run(hourglass.remove(loaded), images), entry.run(entry.model(), images)))


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


def test_a_block_that_fails_leaves_nothing_behind(by_name):
    entry = by_name["SwinModel"]
    model, images = entry.model(), entry.images()
    entry.run(model, images)
    untouched = parts(model)
    hourglass.apply(model, PLAN)
    handle = model.encoder.layers[1].blocks[2].mlp.register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        entry.run(model, images)
    handle.remove()
    hourglass.remove(model)
    assert parts(model) == untouched


def test_it_compiles_in_one_graph(by_name):
    entry = by_name["timm-swin"]
    model, images = hourglass.apply(entry.model(), PLAN), entry.images(batch=1)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    torch.testing.assert_close(entry.run(compiled, images), entry.run(model, images))
