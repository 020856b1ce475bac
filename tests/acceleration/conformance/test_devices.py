"""Without a GPU: accelerated models leave nothing on the CPU, wait for nothing, and make constants once.

What an untouched model does itself is its own affair: only what the hourglass adds is found.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import hourglass
from hourglass.acceleration import windows
from hourglass.acceleration.clustering import Clusters
from hourglass.bench.gpu_check.device import graphed

from ...fake_cuda import Waits, fake_cuda
from ...remembered import Remembered

BUILDS = ["timm ViT", "timm features", "ViTModel", "Dinov2Backbone", "DPTForDepthEstimation", "RadioModel"]
BUILDS += ["SwinModel", "Swinv2Model", "timm-swin", "SamVisionEncoder-sdpa", "Sam3ViTModel", "VitDetBackbone"]
pytestmark = pytest.mark.filterwarnings("ignore:plan.temperature", "ignore:.*save nothing")


@pytest.fixture(autouse=True)
def _without_gradients():
    with torch.no_grad():
        yield


@pytest.fixture
def _plain(monkeypatch):
    """The mode that watches is no tracer: what plain execution remembers is remembered."""
    monkeypatch.setattr(windows, "is_traced", lambda: False)


def second_pass(case: Any, model: nn.Module, device: str) -> Waits:
    """What a pass waits for when another one has gone before it."""
    model, images = model.to(device), case.images(1).to(device)
    call = {
        name: value[:1].to(device) if isinstance(value, Tensor) else value for name, value in case.entry.call.items()
    }
    with Remembered():
        model(images, **call)
        with Waits(device) as waits:
            model(images, **call)
    return waits


def accelerated(case: Any, form: str, **changes: Any) -> nn.Module:
    return hourglass.apply(case.model(), case.plan(form=form, **changes))


@pytest.mark.parametrize(
    ("form", "interpolation"),
    [("residual", "kernel"), ("residual", "linear"), pytest.param("published", "kernel", marks=pytest.mark.slow)],
)
@pytest.mark.usefixtures("_plain")
def test_nothing_is_left_on_the_cpu_nothing_waits_and_constants_are_made_once(case, form, interpolation):
    device = "meta"
    try:
        waits = second_pass(case, accelerated(case, form, interpolation=interpolation), device)
    except (RuntimeError, NotImplementedError):
        # The model looks at numbers itself, which meta tensors have not. Then only such looks can be compared.
        with pytest.raises((RuntimeError, NotImplementedError)):
            second_pass(case, case.model(), device)
        device = "cpu"
        waits = second_pass(case, accelerated(case, form, interpolation=interpolation), device)
    if waits.found or waits.constants:
        own = second_pass(case, case.model(), device)
        assert not Counter(waits.found) - Counter(own.found)
        assert waits.constants <= own.constants


@pytest.mark.parametrize("name", BUILDS)
def test_a_pass_stays_on_a_cuda_device(name, by_name):
    case = by_name[name]
    found = [on_fake_cuda(case, model) for model in (accelerated(case, "residual"), case.model())]
    assert not found[0] - found[1]


def on_fake_cuda(case: Any, model: nn.Module) -> Counter[str]:
    """What a pass waits for on a device that is pretended."""
    model, size = model.to("meta"), case.images(1).shape
    with fake_cuda() as waits:
        model._apply(lambda value: torch.empty(value.shape, dtype=value.dtype, device="cuda"))
        outputs = case.run(model, torch.empty(size, device="cuda"))
    assert outputs
    assert all(output.device.type == "cuda" for output in outputs)
    return Counter(waits.found)


def test_what_the_hourglass_adds_is_found(monkeypatch, by_name):
    """As in a pass of windows that the image cuts off, if their temperature began as a number on the CPU."""
    case, rebuild = by_name["SwinModel"], Clusters.rebuild

    def waiting(self: Clusters, refined: Tensor) -> Tensor:
        return rebuild(self, refined) + torch.zeros(()).to(refined.device)

    monkeypatch.setattr(Clusters, "rebuild", waiting)
    found = on_fake_cuda(case, accelerated(case, "residual")) - on_fake_cuda(case, case.model())
    assert set(found) == {"zeros: works on cpu", "_to_copy: works on cpu, cuda:0"}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", BUILDS)
def test_a_cuda_device_computes_what_the_cpu_computes(name, by_name):
    case = by_name[name]
    model, images = accelerated(case, "residual"), case.images()
    expected = case.run(model, images)
    for got, want in zip(case.run(model.cuda(), images.cuda()), expected, strict=True):
        torch.testing.assert_close(got.cpu(), want, rtol=1e-2, atol=1e-3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", ["timm ViT", "ViTModel", "timm-swin", "SwinModel"])
def test_a_cuda_graph_computes_the_same(name, by_name):
    case = by_name[name]
    model, images = accelerated(case, "residual").cuda(), case.images().cuda()
    expected, outputs = case.run(model, images), []
    replay = graphed(lambda: outputs.append(case.run(model, images)), torch.device("cuda"))
    replay()
    for got, want in zip(outputs[-1], expected, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-4)
