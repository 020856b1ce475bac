"""Dropping tokens and getting them back, against the definition written out."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hourglass.methods.dropping import drop
from hourglass.operators import reconstruct


def inputs(batch: int, count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(batch, count, 8, generator=generator, dtype=torch.float64)
    return tokens, torch.rand(batch, count, generator=generator, dtype=torch.float64).softmax(dim=1)


@settings(max_examples=60, deadline=None)
@given(batch=st.integers(1, 3), count=st.integers(2, 40), share=st.floats(0.05, 0.95), seed=st.integers(0, 99))
def test_kept_tokens_come_back_as_what_became_of_them_and_others_reconstructed(batch, count, share, seed):
    tokens, attention = inputs(batch, count, seed)
    kept = min(max(int(count * share), 1), count - 1)
    few, dropping = drop(tokens, attention, kept)
    assert few.shape == (batch, kept + 1, 8)
    became = torch.cat([few[:, :-1] * 2, few[:, -1:]], dim=1)
    whole = dropping.reconstruct(became, neighbors=3, temperature=0.1)
    for image, weights, result, fused in zip(tokens, attention, whole, few[:, -1], strict=True):
        ranked = sorted(range(count), key=lambda token: -weights[token].item())
        stay, go = ranked[:kept], ranked[kept:]
        torch.testing.assert_close(result[stay], image[stay] * 2)
        back = reconstruct(image[None, stay] * 2, image[None, go], image[None, stay], neighbors=3, temperature=0.1)
        torch.testing.assert_close(result[go], back[0])
        torch.testing.assert_close(fused, sum(weights[token] * image[token] for token in go))


def test_one_neighbor_is_copied():
    tokens, attention = inputs(2, 12)
    few, dropping = drop(tokens, attention, 5)
    whole = dropping.reconstruct(few, neighbors=1, temperature=0.005)
    rows = {tuple(row) for row in few[:, :-1].flatten(0, 1).tolist()}
    assert {tuple(row) for row in whole.flatten(0, 1).tolist()} == rows


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype):
    tokens, attention = inputs(2, 30)
    few, dropping = drop(tokens.to(dtype), attention.to(dtype), 10)
    whole = dropping.reconstruct(few, neighbors=4, temperature=0.1)
    assert whole.dtype == few.dtype == dtype
    assert torch.isfinite(whole).all()


def test_gradients_flow():
    tokens, attention = inputs(1, 20)
    tokens.requires_grad_()
    few, dropping = drop(tokens, attention, 8)
    dropping.reconstruct(few, neighbors=4, temperature=0.1).sum().backward()
    assert tokens.grad.abs().sum(dim=2).min() > 0
