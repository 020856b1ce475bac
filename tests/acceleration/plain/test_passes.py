"""What one forward pass leaves behind, for the next, for other threads, and for the compiler."""

import copy
import gc
import pickle
import threading
import weakref

import pytest
import torch

import hourglass
from hourglass import Plan
from hourglass.acceleration.plain.squeeze import Squeeze

PLAN = Plan(start=1, clusters=(3, 4), form="published")


@pytest.fixture(autouse=True)
def _without_gradients():
    with torch.no_grad():
        yield


@pytest.fixture
def alive(monkeypatch) -> weakref.WeakSet[Squeeze]:
    """Every squeeze that something still holds on to."""
    held: weakref.WeakSet[Squeeze] = weakref.WeakSet()
    create = Squeeze.__init__

    def register(self, *args):
        create(self, *args)
        held.add(self)

    monkeypatch.setattr(Squeeze, "__init__", register)
    return held


def test_nothing_outlives_its_pass(entry, alive):
    model = hourglass.apply(entry.model(), PLAN)
    gc.disable()  # it must not take the collector of reference cycles
    try:
        outputs = entry.run(model, entry.images())
        assert outputs
        assert not alive
    finally:
        gc.enable()


@pytest.mark.parametrize("name", ["timm ViT", "Segmenter", "DPTForDepthEstimation", "Dinov2Backbone"])
def test_a_pass_that_fails_leaves_nothing(zoo, name, alive):
    entry = zoo[name]
    plan = Plan(start=1, clusters=(3, 4), reconstruct="decoder" if name == "Segmenter" else "encoder", form="published")
    model, images = hourglass.apply(entry.model(), plan), entry.images()
    expected = entry.run(model, images)

    def fail(module, args):
        raise RuntimeError("in the middle")

    inside = [module for module in model.modules() if isinstance(module, torch.nn.LayerNorm)]
    for module in (inside[-1], inside[len(inside) // 2], getattr(model, "decoder", inside[-2])):
        handle = module.register_forward_pre_hook(fail)
        with pytest.raises(RuntimeError, match="in the middle"):
            entry.run(model, images)
        handle.remove()
        gc.collect(1)  # the traceback
        assert not alive
        assert all(map(torch.equal, entry.run(model, images), expected))


def test_a_failed_pass_does_not_decode_the_next_caller(zoo):
    model, images = zoo["Segmenter"].model(), zoo["Segmenter"].images()
    hourglass.apply(model, Plan(start=1, clusters=(3, 4), reconstruct="decoder", form="published"))
    model.encoder.norm.register_forward_hook(lambda *_: (_ for _ in ()).throw(RuntimeError("behind the norm")))
    with pytest.raises(RuntimeError, match="behind the norm"):
        model(images)
    assert model.decoder(torch.randn(2, 12, 32)).shape == (2, 12, 5)


@pytest.mark.parametrize("name", ["timm ViT", "Segmenter", "DPTForDepthEstimation", "Dinov2Model"])
def test_threads_do_not_meet(zoo, name):
    """Two passes at once over images of two sizes; both see their grid before either of them squeezes."""
    entry = zoo[name]
    decoder = "decoder" if name == "Segmenter" else "encoder"
    model = hourglass.apply(entry.model(), Plan(start=1, clusters=(3, 4), reconstruct=decoder, form="published"))
    batches = [torch.randn(1, 3, side, side) for side in (64, 48)]
    expected = [entry.run(model, batch) for batch in batches]
    barrier = threading.Barrier(2, timeout=20)

    def wait(module, args, output):
        barrier.wait()

    for norm in [module for module in model.modules() if isinstance(module, torch.nn.LayerNorm)][:4]:
        norm.register_forward_hook(wait)
    results: list[list[torch.Tensor]] = [[], []]

    def run(index: int) -> None:
        with torch.no_grad():
            results[index] = entry.run(model, batches[index])

    threads = [threading.Thread(target=run, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for got, want in zip(results, expected, strict=True):
        assert len(got) == len(want) > 0
        assert all(map(torch.equal, got, want))


@pytest.mark.parametrize("name", ["timm ViT", "timm features", "timm DINOv3", "Segmenter", "IJepaModel"])
def test_pickle(zoo, name):
    entry = zoo[name]
    model, images = entry.model(), entry.images()
    hourglass.apply(model, PLAN)
    call = {} if name != "IJepaModel" else {"interpolate_pos_encoding": True}  # recorded states cannot be pickled
    expected = model(images, **call)
    twin = pickle.loads(pickle.dumps(model))
    got = twin(images, **call)
    first = [value[-1] if isinstance(value, list) else value for value in (got, expected)]
    first = [getattr(value, "last_hidden_state", value) for value in first]
    assert torch.equal(*first)
    hourglass.remove(twin)
    assert not hourglass.is_applied(twin)
    assert hourglass.is_applied(model)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["timm features", "timm DINOv3", "Segmenter", "ViTModel", "Dinov2Backbone"])
def test_compiles_as_one_graph(zoo, name):
    entry = zoo[name]
    decoder = "decoder" if name == "Segmenter" else "encoder"
    plan = Plan(start=1, clusters=(3, 4), iterations=1, reconstruct=decoder, form="published")
    model, images = hourglass.apply(entry.model(), plan), entry.images()
    call = {key: value for key, value in entry.call.items() if key != "output_hidden_states"}
    torch._dynamo.reset()
    compiled = torch.compile(copy.deepcopy(model), backend="eager", fullgraph=True)
    first = compiled(images, **call)  # before any pass that is not compiled could have left something
    expected = model(images, **call)
    for got, want in zip(entry_tensors(first), entry_tensors(expected), strict=True):
        torch.testing.assert_close(got, want)


def entry_tensors(output: object) -> list[torch.Tensor]:
    if isinstance(output, torch.Tensor):
        return [output]
    values = output.values() if isinstance(output, dict) else output
    return [tensor for value in values for tensor in entry_tensors(value)]


@pytest.mark.slow
def test_exports(zoo):
    entry = zoo["timm ViT"]
    model, images = hourglass.apply(entry.model(), PLAN), entry.images()
    program = torch.export.export(model, (images,)).module()
    torch.testing.assert_close(program(images), model(images))


def test_gradient_checkpointing_recomputes_the_same(zoo):
    images = zoo["ViTModel"].images()
    gradients = []
    for checkpointing in (False, True):
        model = hourglass.apply(zoo["ViTModel"].model(), PLAN).train()
        if checkpointing:
            model.gradient_checkpointing_enable()
        with torch.enable_grad():
            model(images, interpolate_pos_encoding=True).last_hidden_state.square().mean().backward()
        gradients.append(model.embeddings.patch_embeddings.projection.weight.grad)
    torch.testing.assert_close(*gradients)
