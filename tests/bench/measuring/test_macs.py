"""Multiply-accumulates against closed formulas, on the CPU and on the meta device."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hourglass.bench.measuring.macs import attention_macs, count_macs
from hourglass.methods.merging import match
from hourglass.operators import cluster, reconstruct, reconstruction_weights, relative_temperature
from hourglass.operators.observe import OperatorCall, observed

DEVICES = pytest.mark.parametrize("device", ["cpu", "meta"])


def on(device, *shape):
    return torch.ones(*shape, device=device)


@DEVICES
@pytest.mark.parametrize("masked", [False, True])
def test_fused_attention_is_counted_by_the_closed_formula(device, masked):
    query, key, value = on(device, 2, 3, 50, 16), on(device, 2, 3, 70, 16), on(device, 2, 3, 70, 24)
    mask = on(device, 50, 70) if masked else None
    counted = count_macs(lambda: F.scaled_dot_product_attention(query, key, value, attn_mask=mask))
    assert counted.macs == 2 * 3 * 50 * 70 * (16 + 24)
    assert counted.macs == attention_macs(query.shape, key.shape, value.shape)


@DEVICES
def test_fused_and_explicit_attention_cost_the_same(device):
    query, key, value = (on(device, 2, 3, 9, 8) for _ in range(3))
    fused = count_macs(lambda: F.scaled_dot_product_attention(query, key, value))
    explicit = count_macs(lambda: (query @ key.transpose(2, 3)).softmax(-1) @ value)
    assert fused.macs == explicit.macs == 2 * 2 * 3 * 9 * 9 * 8
    assert "_softmax" in explicit.uncounted


@DEVICES
def test_products_and_convolutions(device):
    x, image = on(device, 4, 30, 20), on(device, 2, 4, 9, 11)
    layers = {
        4 * 30 * 20 * 7: (nn.Linear(20, 7), x),
        2 * 9 * 11 * 8 * 2 * 9: (nn.Conv2d(4, 8, 3, groups=2, padding=1), image),
        2 * 9 * 11 * 4 * 8 * 4: (nn.ConvTranspose2d(4, 8, 2, stride=2), image),
    }
    for expected, (layer, argument) in layers.items():
        assert count_macs(lambda layer=layer, argument=argument: layer.to(device)(argument)).macs == expected
    assert count_macs(lambda: torch.einsum("bnd,bmd->bnm", x, x)).macs == 4 * 30 * 30 * 20
    assert count_macs(lambda: torch.cdist(x, x)).macs == 4 * 30 * 30 * 20
    assert count_macs(lambda: x * x + x).macs == 0


@DEVICES
def test_weighted_sums_of_chosen_rows(device):
    rows, chosen = on(device, 10, 6), torch.zeros(7, 3, dtype=torch.int64, device=device)
    weighted = count_macs(lambda: F.embedding_bag(chosen, rows, mode="sum", per_sample_weights=on(device, 7, 3)))
    assert weighted.macs == 7 * 3 * 6
    assert count_macs(lambda: F.embedding_bag(chosen, rows, mode="sum")).macs == 0


@pytest.mark.skipif(not hasattr(torch.backends, "mha"), reason="PyTorch 2.1 cannot turn its fast path off")
@DEVICES
def test_no_fast_path_hides_a_whole_layer(device):
    layer = nn.TransformerEncoderLayer(20, 2, 40, batch_first=True).to(device).eval()
    enabled = torch.backends.mha.get_fastpath_enabled()
    counted = count_macs(lambda: layer(on(device, 4, 30, 20)), {"attention": layer.self_attn})
    attention = 4 * 30 * 20 * 80 + 2 * 4 * 30 * 30 * 20
    assert counted.macs == attention + 2 * 4 * 30 * 20 * 40
    assert sum(event.macs for event in counted.events if "attention" in event.regions) == attention
    assert torch.backends.mha.get_fastpath_enabled() == enabled


def test_a_module_that_raises_leaves_no_region_behind():
    class Broken(nn.Module):
        def forward(self, x):
            raise ArithmeticError

    broken, layer = Broken(), nn.Linear(3, 3)

    def run():
        with pytest.raises(ArithmeticError):
            broken(torch.ones(1, 3))
        layer(torch.ones(1, 3))

    assert [event.regions for event in count_macs(run, {"broken": broken}).events if event.macs] == [frozenset()]


@DEVICES
def test_operator_calls_are_seen_with_their_sizes(device):
    tokens = torch.rand(2, 48, 16).to(device)

    def run():
        centers = cluster(tokens, (6, 8), (3, 4), iterations=3)
        weights = reconstruction_weights(tokens, centers, neighbors=5)
        weights(centers[..., :5])
        weights(centers)
        reconstruct(centers, tokens, centers, neighbors=1)
        return tokens @ tokens.transpose(1, 2)

    counted = count_macs(run)
    seen = [(call.kind, call.batch, call.tokens, call.clusters, call.channels) for call in counted.calls]
    assert seen == [
        ("clustering", 2, 48, 12, 16),
        ("weights", 2, 48, 12, 16),
        ("reconstruction", 2, 48, 12, 5),
        ("reconstruction", 2, 48, 12, 16),
        ("weights", 2, 48, 12, 16),
        ("reconstruction", 2, 48, 12, 16),
    ]
    assert [call.iterations for call in counted.calls] == [3, 0, 0, 0, 0, 0]
    assert [call.nearest for call in counted.calls if call.kind == "weights"] == [False, True]
    outside = sum(event.macs for event in counted.events if event.call is None)
    assert outside == 2 * 48 * 48 * 16
    inside = [event for event in counted.events if event.call]
    assert sum(event.macs for event in inside if event.call.kind == "clustering") > 0
    assert sum(event.macs for event in inside if event.call.kind == "weights") == 2 * 2 * 48 * 12 * 16


@DEVICES
def test_the_residual_form_counts_what_it_adds(device):
    tokens = torch.rand(2, 48, 16).to(device)

    def run(residual):
        temperature = relative_temperature(tokens, (6, 8), (3, 4)) if residual else 0.02
        centers = cluster(tokens, (6, 8), (3, 4), temperature=temperature)
        weights = reconstruction_weights(tokens, centers, temperature=temperature, semantics="paper")
        return weights.residual(centers, tokens, centers) if residual else weights(centers)

    published, residual = (count_macs(lambda form=form: run(form)) for form in (False, True))
    assert residual.macs - published.macs == 2 * 48 * 16
    assert [call.kind for call in residual.calls] == ["temperature", "clustering", "weights", "reconstruction"]
    assert all(event.call for event in residual.events if event.macs)


def test_an_operator_that_raises_leaves_nothing_behind():
    tokens = torch.rand(1, 48, 16)

    def fail():
        raise ArithmeticError

    def run():
        with pytest.raises(ArithmeticError):
            observed(OperatorCall("clustering", 1, 48, 12, 16), fail)
        tokens @ tokens.transpose(1, 2)

    assert [event.call for event in count_macs(run).events if event.macs] == [None]


@DEVICES
def test_a_matching_is_seen_with_its_sizes(device):
    tokens = torch.rand(2, 49, 16).to(device)
    counted = count_macs(lambda: match(tokens, 8, prefix=1))
    (call,) = counted.calls
    assert (call.kind, call.batch, call.tokens, call.clusters, call.channels) == ("matching", 2, 25, 24, 16)
    assert sum(event.macs for event in counted.events if event.call is call) == counted.macs == 2 * 25 * 24 * 16
