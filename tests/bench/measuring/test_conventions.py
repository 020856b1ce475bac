"""The rules of the paper's tables, piece by piece; `test_published_cells` has the cells that they give."""

from __future__ import annotations

import pytest
import torch

from hourglass.bench.measuring.conventions import DPT, SEGMENTER, SWIN, convention_of, regions
from hourglass.bench.measuring.macs import MacCounter, count_macs
from hourglass.operators.observe import OperatorCall

META = torch.device("meta")


def published(model, size):
    counter = count_macs(lambda: model(torch.zeros(1, 3, *size, device=META)), regions(model))
    return convention_of(model).macs(counter) / 1e9


@pytest.mark.framework
def test_only_the_backbone_counts_beside_swin():
    transformers = pytest.importorskip("transformers")
    config = transformers.SwinConfig(image_size=32, embed_dim=8, depths=[1], num_heads=[1], window_size=2)

    class WithHead(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone, self.head = transformers.SwinBackbone(config), torch.nn.Linear(8, 8)

        def forward(self, images):
            return self.head(self.backbone(images).feature_maps[0].flatten(2).transpose(1, 2))

    with META:
        model = WithHead().eval()
    assert published(model, (32, 32)) == published(model.backbone, (32, 32)) > 0


@pytest.mark.framework
def test_dpt_counts_two_per_multiply_accumulate():
    transformers = pytest.importorskip("transformers")
    config = transformers.DPTConfig(
        hidden_size=8,
        num_hidden_layers=4,
        num_attention_heads=1,
        intermediate_size=8,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
    )
    with META:
        model = transformers.DPTForDepthEstimation(config)
    assert convention_of(model) is DPT
    assert DPT.flops_per_mac == 2


def test_operators_by_the_fitted_formulas():
    n, k, d, i = 1600, 784, 1024, 5
    clustering = OperatorCall("clustering", 1, n, k, d, i)
    weights = OperatorCall("weights", 1, n, k, d)
    product = OperatorCall("reconstruction", 1, n, k, 150)
    assert SEGMENTER.operator(clustering) == n * d + i * (50 * n * d + 75 * n + k * n * d + k * d)
    assert SEGMENTER.operator(weights) + SEGMENTER.operator(product) == 20 * n * d + 60 * n
    assert DPT.operator(clustering) == i * k * n * d
    assert DPT.operator(weights) == DPT.operator(product) == 0
    temperature = OperatorCall("temperature", 2, n, k, d)
    assert SEGMENTER.operator(temperature) == 2 * 2 * n * d
    assert DPT.operator(temperature) == 0
    assert SWIN.operator(temperature) == 2 * n * d
    windows = OperatorCall("clustering", 36, 144, 64, 768, 3)
    assert SWIN.operator(windows) == 36 * 6 * 144 * 64 * 768


def test_linear_interpolation_is_charged_products_of_neighbors_by_all():
    call = OperatorCall("weights", 2, 100, 36, 64, linear=8)
    for convention in (SEGMENTER, DPT, SWIN):
        counter = MacCounter({})
        counter.calls.append(call)
        assert convention.macs(counter) - convention.operator(call) == 2 * 100 * 8 * 8 * 64
