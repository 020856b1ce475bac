"""Cost of a small model by hand, and what a case returns."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from hourglass.bench.measuring import Runner, all_quantities, cases, measure_cost, quantity
from hourglass.bench.measuring.cost import cost_of
from hourglass.bench.measuring.memory import can_count


def small(device="cpu"):
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 2, 1)).to(device).eval()


def test_every_quantity_by_hand():
    values, uncounted = cost_of(small(), torch.zeros(1, 3, 6, 10))
    pixels = 60
    assert values["parameters"] == 3 * 8 * 9 + 8 + 8 * 2 + 2
    assert values["gmacs_executed"] == pytest.approx(pixels * (27 * 8 + 16) / 1e9)
    assert values["gmacs_published"] == values["gflops_published"] == values["gmacs_executed"]
    assert values["gmacs_operators"] == 0
    assert values["weights_mib"] * 2**20 == values["parameters"] * 4
    if can_count():
        assert values["activations_mib"] * 2**20 == 2 * pixels * 8 * 4
        assert values["peak_memory_mib"] == values["weights_mib"] + values["activations_mib"]
    assert uncounted["relu"] == 1


def test_on_the_meta_device_all_is_counted_but_memory():
    on_cpu, on_meta = (cost_of(small(device), torch.zeros(1, 3, 6, 10, device=device))[0] for device in ("cpu", "meta"))
    assert on_meta == on_cpu | {"activations_mib": None, "peak_memory_mib": None}


def test_cost_is_the_same_every_time():
    runner = Runner(small(), torch.device("cpu"), torch.float32)
    first, second = (measure_cost(runner, torch.rand(1, 3, 6, 10)) for _ in range(2))
    assert first == second
    assert first["samples"]["image_size"] == [6, 10]
    assert set(first["values"]) <= set(all_quantities())


def test_a_model_without_weights_is_counted_on_the_meta_device(tmp_path):
    pytest.importorskip("transformers")
    case = SimpleNamespace(model="dino-swin-l-coco", method="baseline", settings={}, precision="float32", seed=0)
    measured = cases.cost(case, tmp_path)
    assert measured["conditions"]["device"] == "meta"
    assert measured["values"]["gflops_published"] == pytest.approx(936.86, rel=0.0002)


def test_bounds_are_declared_with_their_quantity():
    assert quantity("speedup_low") is quantity("speedup")
    assert quantity("miou").higher_is_better
    assert not quantity("latency_ms_high").higher_is_better
    with pytest.raises(ValueError, match="'speed' is not measured"):
        quantity("speed")
