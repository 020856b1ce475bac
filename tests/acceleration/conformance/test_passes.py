"""What a forward pass must stand: threads, replicas, hooks of others, changes after apply, failures, recomputation.

On models of every build: plain and windowed, of timm and of transformers.
"""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import pytest
import timm
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import hourglass
from hourglass.acceleration.clustering import Clusters
from hourglass.acceleration.patch import patches

from ..releases import newer
from .cases import tensors

BUILDS = [
    "timm ViT",
    "timm features",
    "timm DINOv3",
    "timm ViT, mixed rotary",
    "ViTModel",
    "Dinov2Backbone",
    "DPTForDepthEstimation",
    "BeitModel",
    "DINOv3ViTModel",
    "SwinModel",
    "Swinv2Model",
    "MaskFormerSwinBackbone",
    "SamVisionEncoder-sdpa",
    "timm-swin",
    "timm-swinv2-features",
]
FORMS = pytest.mark.parametrize("form", ["residual", "published"])
pytestmark = pytest.mark.filterwarnings("ignore:plan.temperature", "ignore:.*save nothing")


@pytest.fixture(params=BUILDS)
def built(request, by_name):
    return by_name[request.param]


@pytest.fixture
def alive(monkeypatch) -> weakref.WeakSet[Clusters]:
    """Every clustering that something still holds on to."""
    held: weakref.WeakSet[Clusters] = weakref.WeakSet()
    create = Clusters.__init__

    def register(self, *args):
        create(self, *args)
        held.add(self)

    monkeypatch.setattr(Clusters, "__init__", register)
    return held


def deep_blocks(model: nn.Module) -> list[Any]:
    """The blocks that run on clusters."""
    (patch,) = patches(model)
    blocks = [block for _, stage in patch.spec.stages_of(patch.encoder) for block in stage]
    (here,) = hourglass.summary(model)
    return blocks[here.start : here.until]


@FORMS
@torch.no_grad()
def test_nothing_outlives_its_pass(built, form, alive):
    model = hourglass.apply(built.model(), built.plan(form=form))
    gc.disable()  # it must not take the collector of reference cycles
    try:
        assert built.run(model, built.images())
        assert not alive
    finally:
        gc.enable()


@FORMS
@torch.no_grad()
def test_a_pass_that_fails_leaves_nothing(built, form, alive):
    model, images = hourglass.apply(built.model(), built.plan(form=form)), built.images()
    expected = built.run(model, images)
    blocks = deep_blocks(model)
    for block in (blocks[0], blocks[-1]):
        inside = next(module for module in block.modules() if isinstance(module, nn.LayerNorm))
        handle = inside.register_forward_pre_hook(lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            built.run(model, images)
        handle.remove()
        gc.collect()  # the traceback
        assert not alive
        assert all(map(torch.equal, built.run(model, images), expected))


@FORMS
def test_threads_do_not_meet(built, form):
    model = hourglass.apply(built.model(), built.plan(form=form))
    batches = [built.images(1), built.images(3)]
    with torch.no_grad():
        expected = [built.run(model, batch) for batch in batches]
    barrier, wrong = threading.Barrier(2, timeout=30), []

    def run(index: int) -> None:
        with torch.no_grad():
            for _ in range(4):
                barrier.wait()
                outputs = built.run(model, batches[index])
                wrong.extend(
                    one for one, two in zip(outputs, expected[index], strict=True) if not torch.equal(one, two)
                )

    threads = [threading.Thread(target=run, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert not barrier.broken


def replica_of(model: nn.Module) -> nn.Module:
    """What DataParallel makes for another device: other module objects, with parameters as plain tensors."""
    copies = {id(module): module._replicate_for_data_parallel() for module in model.modules()}
    for module in model.modules():
        replica = copies[id(module)]
        for name, child in module._modules.items():
            replica._modules[name] = None if child is None else copies[id(child)]
        for name, parameter in module._parameters.items():
            if parameter is None:
                replica._parameters[name] = None
            else:
                setattr(replica, name, 2 * parameter.detach())
        replica._buffers = dict(module._buffers)
    return copies[id(model)]


@FORMS
@torch.no_grad()
def test_replicas_run_with_their_own_parameters(built, form):
    plan, images = built.plan(form=form), built.images()
    doubled = built.model()
    for parameter in doubled.parameters():
        parameter *= 2
    expected = built.run(hourglass.apply(doubled, plan), images)
    replica = replica_of(hourglass.apply(built.model(), plan))
    assert all(map(torch.equal, built.run(replica, images), expected))


@FORMS
def test_full_backward_hooks_change_nothing(built, form):
    model, images = hourglass.apply(built.model(), built.plan(form=form)), built.images()
    with torch.no_grad():
        expected = built.run(model, images)
    for block in deep_blocks(model):
        block.register_full_backward_hook(lambda *_: None)
        block.register_full_backward_pre_hook(lambda *_: None)
    images.requires_grad_()
    outputs = tensors(model(images, **built.entry.call))
    for got, want in zip(outputs, expected, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)
    sum(output.square().mean() for output in outputs).backward()
    assert images.grad is not None


@FORMS
@torch.no_grad()
def test_a_users_hook_on_a_block_sees_all_tokens(built, form):
    model, images = built.model(), built.images(1)
    blocks: list[nn.Module] = []
    hourglass.apply(model, built.plan(form=form))
    blocks = deep_blocks(model)
    expected = built.run(model, images)
    hourglass.remove(model)
    seen: list[torch.Size] = []

    def see(block, args, output):
        seen.append((output[0] if isinstance(output, tuple) else output).shape)

    handles = [block.register_forward_hook(see) for block in blocks[::2]]
    built.run(model, images)
    untouched, seen[:] = list(seen), []
    hourglass.apply(model, built.plan(form=form))
    assert all(map(torch.equal, built.run(model, images), expected))
    assert seen == untouched
    for handle in handles:
        handle.remove()


def wraps_blocks(model: nn.Module, blocks: list[nn.Module]) -> None:
    class Wrapped(nn.Module):
        def __init__(self, block):
            super().__init__()
            self.block = block

        def forward(self, *args, **kwargs):
            return checkpoint(self.block, *args, use_reentrant=False, **kwargs)

    for module in list(model.modules()):
        for name, child in list(module._modules.items()):
            if any(child is block for block in blocks):
                module._modules[name] = Wrapped(child)


@FORMS
def test_checkpointing_gives_the_same_gradients(built, form):
    images, plan = built.images(), built.plan(form=form)
    expected = built.train(hourglass.apply(built.model(), plan), images)
    model = hourglass.apply(built.model(), plan)
    wraps_blocks(model, deep_blocks(model))
    found = built.train(model, images)
    assert all(name.replace(".block.", ".") in expected for name in found)
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name.replace(".block.", ".")])


@newer
@pytest.mark.parametrize(
    ("name", "reentrant"),
    [
        *(
            (name, False)
            for name in ("timm ViT", "timm-swin", "timm ViT, mixed rotary", "timm DINOv3", "timm features")
        ),
        *((name, True) for name in ("timm ViT", "timm-swin", "timm features")),  # the others need keywords
    ],
)
def test_timm_s_own_checkpointing_is_right_or_says_what_to_do(name, reentrant, by_name, monkeypatch):
    case = by_name[name]
    expected = case.train(hourglass.apply(case.model(), case.plan()).train(), case.images())
    model = hourglass.apply(case.model(), case.plan()).train()
    encoder = model.model if hasattr(model, "model") else model
    encoder.set_grad_checkpointing()
    monkeypatch.setattr(timm.models._manipulate, "use_reentrant_ckpt", lambda: reentrant)
    if reentrant:
        with pytest.raises(ValueError, match="use_reentrant=False"):
            case.train(model, case.images().requires_grad_())
        return
    for key, gradient in case.train(model, case.images()).items():
        torch.testing.assert_close(gradient, expected[key])


@newer
@pytest.mark.parametrize("name", ["ViTModel", "Dinov2Model", "SwinModel", "Swinv2Model", "SamVisionEncoder-eager"])
@pytest.mark.parametrize("reentrant", [False, True])
def test_transformers_own_checkpointing_gives_the_same_gradients(name, reentrant, by_name):
    case = by_name[name]
    expected = case.train(hourglass.apply(case.model(), case.plan()).train(), case.images().requires_grad_())
    model = hourglass.apply(case.model(), case.plan()).train()
    model.activation_checkpointing_enable({"use_reentrant": reentrant})
    for key, gradient in case.train(model, case.images().requires_grad_()).items():
        torch.testing.assert_close(gradient, expected[key])


@newer
def test_two_passes_before_one_backward_say_what_to_do(by_name):
    case = by_name["timm ViT"]
    model = hourglass.apply(case.model(), case.plan()).train()
    model.set_grad_checkpointing()
    one, two = case.images(), case.images() + 1
    first, second = model(one), model(two)
    second.sum().backward()
    with pytest.raises(ValueError, match="call backward before the next forward pass"):
        first.sum().backward()


@torch.no_grad()
def test_parameters_that_come_and_go_while_a_model_runs(built):
    """As offloading does it: a wrapper of forward brings a module's parameters, and takes them away again."""
    images = built.images(1)

    def offload(module: nn.Module) -> None:
        kept, forward = dict(module._parameters), module.forward
        module._parameters.update({name: None if p is None else nn.Parameter(p.to("meta")) for name, p in kept.items()})

        def brought(*args, **kwargs):
            away = dict(module._parameters)
            module._parameters.update(kept)
            try:
                return forward(*args, **kwargs)
            finally:
                module._parameters.update(away)

        module.forward = brought

    for accelerated in (False, True):
        model = built.model()
        blocks = deep_blocks(hourglass.apply(model, built.plan()))
        if not accelerated:
            hourglass.remove(model)
        expected = built.run(model, images)
        for module in (module for block in blocks for module in block.modules()):
            if module._parameters:
                offload(module)
        same = all(map(torch.equal, built.run(model, images), expected))
        if not accelerated and not same:
            pytest.skip("the untouched model reads parameters of its children past their forward")
        assert same


@torch.no_grad()
def test_wrapped_linears_are_used(built):
    """As LoRA does it, before and after apply."""

    class Adapted(nn.Module):
        def __init__(self, base):
            super().__init__()
            self.base, self.scale = base, nn.Parameter(torch.tensor(1.5))
            self.weight, self.bias = base.weight, base.bias

        def forward(self, x):
            return self.base(x) * self.scale

    def adapt(model):
        for module in list(model.modules()):
            for name, child in list(module._modules.items()):
                if isinstance(child, nn.Linear) and not isinstance(module, Adapted) and "fc" in name:
                    module._modules[name] = Adapted(child)
        return model

    images = built.images(1)
    before = built.run(hourglass.apply(adapt(built.model()), built.plan()), images)
    after = built.run(adapt(hourglass.apply(built.model(), built.plan())), images)
    assert all(map(torch.equal, before, after))


@newer
@torch.no_grad()
def test_an_input_size_that_is_set_after_apply(by_name):
    for name in ("timm-swin", "timm-swinv2"):
        case, images = by_name[name], torch.randn(1, 3, 96, 96)
        first, second = (case.model() for _ in range(2))
        hourglass.apply(first, case.plan())
        for model in (first, second):
            model.set_input_size(img_size=96, window_size=6)
        hourglass.apply(second, case.plan())
        assert torch.equal(first(images), second(images))
        hourglass.remove(first), hourglass.remove(second)
        assert torch.equal(first(images), second(images))


@FORMS
@torch.no_grad()
def test_blocks_that_are_pruned_after_apply(form, by_name):
    case, images = by_name["timm ViT"], by_name["timm ViT"].images()
    for prune_norm in (False, True):
        first, second = (case.model() for _ in range(2))
        hourglass.apply(first, case.plan(form=form))
        for model in (first, second):
            model.prune_intermediate_layers([1, 2], prune_norm=prune_norm)
        hourglass.apply(second, case.plan(form=form))
        for one, other in zip(first.forward_intermediates(images), second.forward_intermediates(images), strict=True):
            assert all(map(torch.equal, tensors(one), tensors(other)))
        assert torch.equal(first.forward_features(images), second.forward_features(images))
        assert first.forward_features(images).shape == (2, case.entry.tokens, 32)


@torch.no_grad()
def test_no_deep_block_is_left(by_name):
    case = by_name["timm ViT"]
    model = hourglass.apply(case.model(), case.plan(start=2))
    model.blocks = model.blocks[1:]
    with pytest.raises(ValueError, match=r"are others than they were: call hourglass.remove\(model\) and apply again"):
        model(case.images())


@FORMS
@torch.no_grad()
def test_a_norm_that_is_skipped_or_missing(form, by_name):
    case, images = by_name["timm ViT"], by_name["timm ViT"].images()

    class Bare(type(case.model())):
        def forward_features(self, x):
            return self.blocks(self._pos_embed(self.patch_embed(x)))

    model = case.model()
    model.__class__ = Bare
    hourglass.apply(model, case.plan(form=form))
    if form == "residual":
        assert model.forward_features(images).shape == (2, case.entry.tokens, 32)
    else:
        with pytest.raises(ValueError, match="stopped between block 1 and the end of the hourglass"):
            model.forward_features(images)
    hourglass.remove(model)
    del model.norm
    hourglass.apply(model, case.plan(form=form))
    assert model.forward_features(images).shape == (2, case.entry.tokens, 32)


@torch.no_grad()
def test_what_changes_the_number_of_tokens_between_blocks_is_found(by_name):
    case = by_name["timm ViT"]
    model = hourglass.apply(case.model(), case.plan())

    class Dropping(nn.Module):
        def __init__(self, block):
            super().__init__()
            self.block = block

        def forward(self, x):
            return self.block(x)[:, 1:]

    handle = model.blocks[2].register_forward_hook(lambda block, args, output: output[:, 1:])
    with pytest.raises(ValueError, match="were changed on their way to block 3"):
        model(case.images())
    handle.remove()
    model.blocks[2] = Dropping(model.blocks[2])
    with pytest.raises(ValueError, match=r"block 3 got tokens of shape \(2, 12, 32\) in place of the 3 x 4 clusters"):
        model(case.images())


@torch.no_grad()
def test_blocks_alone_say_what_to_do(built):
    model = hourglass.apply(built.model(), built.plan())
    (here, *_) = hourglass.summary(model)
    if here.until - here.start < 2:
        pytest.skip("one deep block")
    captured: list[Any] = []
    handle = deep_blocks(model)[1].register_forward_pre_hook(
        lambda block, args, kwargs: captured.append((args, kwargs)), with_kwargs=True, prepend=True
    )
    built.run(model, built.images(1))
    handle.remove()
    args, kwargs = captured[0]
    with pytest.raises(ValueError, match="of a forward pass that is over: run the whole encoder"):
        deep_blocks(model)[1](*args, **kwargs)
