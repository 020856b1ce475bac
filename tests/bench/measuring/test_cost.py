"""Cost of a small model by hand, and what a case returns."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from hourglass import methods
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


def untouched(model):
    return SimpleNamespace(
        model=model, method="baseline", settings={}, precision="float32", memory_format="contiguous", seed=0
    )


def test_a_model_without_weights_is_counted_on_the_meta_device(tmp_path):
    pytest.importorskip("transformers")
    measured = cases.cost(untouched("dino-swin-l-coco"), tmp_path)
    assert measured["conditions"]["device"] == "meta"
    assert measured["values"]["gflops_published"] == pytest.approx(936.86, rel=0.0002)


def test_a_model_without_weights_that_looks_at_numbers_is_counted_on_the_cpu(tmp_path):
    pytest.importorskip("timm")
    measured = cases.cost(untouched("dinov2-bccd"), tmp_path)
    assert (measured["conditions"]["device"], measured["conditions"]["weights"]) == ("cpu", None)
    tokens, width = 36 * 48 + 1, 384
    blocks = 12 * (12 * tokens * width**2 + 2 * tokens**2 * width) / 1e9
    assert blocks < measured["values"]["gmacs_executed"] < 1.2 * blocks


def test_plain_rivals_cost_what_their_blocks_execute():
    vision_transformer = pytest.importorskip("timm.models.vision_transformer")
    width, patch, classes = 32, 8, 5

    def vit():
        return vision_transformer.VisionTransformer(
            patch_size=patch, embed_dim=width, depth=3, num_heads=2, img_size=64, dynamic_img_size=True,
            num_classes=classes,
        ).eval()  # fmt: skip

    def block(tokens):
        return 12 * tokens * width**2 + 2 * tokens**2 * width

    def patches(tokens):
        return tokens * width * 3 * patch**2

    def macs(model):
        return round(1e9 * cost_of(model, torch.zeros(1, 3, 64, 64))[0]["gmacs_executed"])

    head = classes * width
    assert macs(vit()) == patches(64) + 3 * block(65) + head
    pooled = methods.apply("average-pooling", vit(), {"start": 1, "clusters": [4, 3], "residual": True})
    assert macs(pooled) == patches(64) + block(65) + 2 * block(13) + head
    shrunk = methods.apply("resolution", _WithMap(vit()), {"scale": 0.5})
    assert macs(shrunk) == patches(16) + 3 * block(17) + head


class _WithMap(nn.Module):
    """A model with images behind its output, as something that has the size of the image."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        return self.model(images), images


def test_bounds_are_declared_with_their_quantity():
    assert quantity("speedup_low") is quantity("speedup")
    assert quantity("miou").higher_is_better
    assert not quantity("latency_ms_high").higher_is_better
    with pytest.raises(ValueError, match="'speed' is not measured"):
        quantity("speed")
