"""The path of a timing on a GPU, up to its events: nothing between them waits or copies."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import hourglass
from hourglass.bench.measuring import measure_speed, speed
from hourglass.bench.measuring.memory import can_count, peak_bytes
from hourglass.bench.measuring.rounds import TimingBudget
from hourglass.bench.measuring.running import Runner

from ...fake_cuda import fake_cuda

QUICK = TimingBudget(rounds=2, seconds=0, warm_up=1)
pytestmark = pytest.mark.filterwarnings("ignore:User provided device_type of 'cuda'", "ignore:CUDA is not available")


def vit(plan: hourglass.Plan | None = None) -> nn.Module:
    import timm

    size = {"img_size": 48, "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2, "num_classes": 0}
    model = timm.create_model("vit_tiny_patch16_224", **size).eval().requires_grad_(False)
    return model if plan is None else hourglass.apply(model, plan)


def on_cuda(model: nn.Module) -> nn.Module:
    return model._apply(lambda value: torch.empty(value.shape, dtype=value.dtype, device="cuda"))


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_what_is_timed_waits_for_nothing(precision, monkeypatch):
    timed = []

    def timer():
        return lambda run: timed.append(run()) or 1.0

    monkeypatch.setattr(speed, "cuda_timer", timer)
    models = [vit().to("meta"), vit(hourglass.Plan(1, (3, 3))).to("meta")]
    with fake_cuda() as waits:
        baseline, method = (Runner(on_cuda(model), torch.device("cuda"), precision) for model in models)
        found = measure_speed(
            baseline,
            {"method": method},
            lambda batch: torch.empty(batch, 3, 48, 48, device="cuda"),
            2,
            latency=QUICK,
            throughput=QUICK,
        )
    assert waits.found == []
    assert {value.device.type for value in timed} == {"cuda"}
    assert found["method"]["conditions"]["device"] == "cuda"
    assert found["method"]["values"]["speedup"] == 1


@pytest.mark.skipif(not can_count(), reason="PyTorch 2.1 cannot follow storages")
def test_memory_is_that_of_the_cpu_where_the_kernels_are_the_same():
    layer = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4)).requires_grad_(False)
    expected = peak_bytes(lambda: layer(torch.ones(3, 8)))
    layer = layer.to("meta")
    with fake_cuda() as waits:
        on_cuda(layer)
        assert peak_bytes(lambda: layer(torch.ones(3, 8, device="cuda"))) == expected
    assert waits.found == []
