"""What holds for every supported model, in both forms of the method."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import nn

import hourglass
from hourglass.acceleration.patch import patches

FORMS = pytest.mark.parametrize("form", ["residual", "published"])
pytestmark = pytest.mark.filterwarnings("ignore:plan.temperature", "ignore:.*save nothing")


@pytest.fixture(autouse=True)
def _without_gradients():
    with torch.no_grad():
        yield


def parts(model: nn.Module) -> list[tuple[object, ...]]:
    """Everything that could be left behind: classes, hooks, attributes, and the identity of what modules hold."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_forward_hooks_with_kwargs", "_forward_pre_hooks_with_kwargs")
    return [
        (
            type(module),
            *(tuple(getattr(module, kind).values()) for kind in (*kinds, "_forward_hooks_always_called")),
            {name: value for name, value in module.__dict__.items() if isinstance(value, int | tuple)},
            sorted(module.__dict__),
            [id(value) for held in (module._parameters, module._buffers, module._modules) for value in held.values()],
        )
        for module in model.modules()
    ]


def deep_lengths(model: nn.Module, run: Any) -> list[int]:
    """Tokens that the first norm of each block got in a run, over all images and windows."""
    lengths: list[int] = []
    for patch in (patch for module in model.modules() if (patch := module.__dict__.get("_hourglass_patch"))):
        blocks = [block for _, stage in patch.spec.stages_of(patch.encoder) for block in stage]
        for block in blocks:
            norm = next(module for module in block.modules() if "Norm" in type(module).__name__)
            norm.register_forward_hook(lambda _, args, output: lengths.append(output[..., 0].numel()))
        break
    run()
    return lengths


def test_as_many_clusters_as_tokens_are_the_untouched_model(case):
    model, images = case.model(), case.images()
    before = case.run(model, images)
    after = case.run(hourglass.apply(model, case.limit()), images)
    for one, other in zip(after, before, strict=True):
        assert torch.dist(one, other) <= 2e-5 * other.norm() + 1e-5


@FORMS
def test_every_map_is_whole_and_other_than_before(case, form):
    model, images = case.model(), case.images()
    before = case.run(model, images)
    after = case.run(hourglass.apply(model, case.plan(form=form)), images)
    assert [tensor.shape for tensor in after] == [tensor.shape for tensor in before]
    assert all(torch.isfinite(tensor).all() for tensor in after)
    assert not all(map(torch.equal, after, before))


@FORMS
def test_remove_leaves_the_same_model_bit_for_bit(case, form):
    model, images = case.model(), case.images()
    before = case.run(model, images)  # transformers installs its own hooks in the first forward pass
    keys, untouched = list(model.state_dict()), parts(model)
    assert hourglass.apply(model, case.plan(form=form)) is model
    assert list(model.state_dict()) == keys
    case.run(model, images)
    assert hourglass.remove(model) is model
    assert not hourglass.is_applied(model)
    assert parts(model) == untouched
    assert all(map(torch.equal, case.run(model, images), before))


@FORMS
def test_a_batch_is_its_images_one_by_one(case, form):
    model, images = hourglass.apply(case.model(), case.plan(form=form)), case.images()
    singles = [case.run(model, image[None]) for image in images]
    for together, alone in zip(case.run(model, images), zip(*singles, strict=True), strict=True):
        torch.testing.assert_close(together, torch.cat(alone), rtol=1e-3, atol=1e-4)


def test_deep_blocks_see_the_clusters(case):
    model, images = hourglass.apply(case.model(), case.plan()), case.images()
    (here, *_) = hourglass.summary(model)
    lengths = deep_lengths(model, lambda: case.run(model, images))
    deep, shallow = lengths[here.start : here.until], lengths[: here.start]
    assert len(deep) == here.until - here.start
    if here.window is None:
        grids = [parts * len(images) for parts in case.parts]
        others = shallow[0] // grids[0] - case.finest[0] * case.finest[1]
        few = case.clusters[0] * case.clusters[1]
        (patch,) = patches(model)
        joins = patch.spec.joins(patch.spec.root_of(patch.encoder)).items()
        joined = [sum(more for at, more in joins if at <= index) for index in range(here.start, here.until)]
        assert deep == [grids[1] * (others + more + few) for more in joined]
    else:
        assert max(deep) <= 0.5 * lengths[here.start - 1]  # a quarter, but for windows that are cut off


@FORMS
def test_a_copy_works_and_goes_its_own_way(case, form):
    model, images = case.model(), case.images(1)
    first = case.run(hourglass.apply(model, case.plan(form=form)), images)
    twin = copy.deepcopy(model)
    hourglass.remove(model)
    assert hourglass.is_applied(twin)
    assert all(map(torch.equal, case.run(twin, images), first))
    assert all(map(torch.equal, case.run(hourglass.apply(model, case.plan(form=form)), images), first))
    assert all(map(torch.equal, case.run(hourglass.remove(twin), images), case.run(hourglass.remove(model), images)))


def test_a_pickle_works_and_can_be_undone(case):
    images = case.images(1)
    try:
        pickle.dumps(case.model())
    except (AttributeError, pickle.PicklingError) as error:
        pytest.skip(f"the untouched model cannot be pickled: {error}")
    model = hourglass.apply(case.model(), case.plan())
    loaded = pickle.loads(pickle.dumps(model))
    assert all(map(torch.equal, case.run(loaded, images), case.run(model, images)))
    untouched = case.run(case.model(), images)
    assert all(map(torch.equal, case.run(hourglass.remove(loaded), images), untouched))


@FORMS
def test_half_precision_stays_what_it_is_and_close(case, form):
    model, images = hourglass.apply(case.model(), case.plan(form=form)), case.images(1)
    expected = case.run(model, images)
    try:
        outputs = case.run(model.bfloat16(), images.bfloat16())
    except RuntimeError:
        with pytest.raises(RuntimeError, match="same dtype"):
            case.run(case.model().bfloat16(), images.bfloat16())
        pytest.skip("the untouched model mixes precisions")
    for got, want in zip(outputs, expected, strict=True):
        assert got.dtype in (torch.bfloat16, torch.float32)
        assert torch.dist(got.float(), want) < 0.5 * want.norm() + 1e-2


def test_autocast_changes_little(case):
    model, images = hourglass.apply(case.model(), case.plan()), case.images(1)
    expected = case.run(model, images)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = case.run(model, images)
    for got, want in zip(outputs, expected, strict=True):
        assert torch.dist(got.float(), want) < 0.5 * want.norm() + 1e-2


def test_gradients_reach_the_first_layer_in_training(case):
    if not getattr(case.entry, "trains", True):
        pytest.skip("the model runs its encoder without gradients")
    model = hourglass.apply(case.model(), case.plan()).train()
    with torch.enable_grad():
        found = case.train(model, case.images())
    names = ("patch_embed", "projection", "conv_proj", "features.0", "embeds.proj")
    patches = [value for key, value in found.items() if any(name in key for name in names)]
    assert any(value.abs().sum() > 0 for value in patches)
    assert all(torch.isfinite(value).all() for value in found.values())
