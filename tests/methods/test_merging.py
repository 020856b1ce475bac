"""Bipartite soft matching, against its definition written out."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hourglass.methods.merging import match

SHAPES = {"batch": st.integers(1, 3), "count": st.integers(2, 40), "prefix": st.integers(0, 2)}


def tokens_of(batch: int, count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, count, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def groups(tokens: torch.Tensor, merged: int, prefix: int) -> list[set[int]]:
    """The tokens of one image that become one, by the definition."""
    even, odd = range(0, len(tokens), 2), range(1, len(tokens), 2)
    similarity = torch.nn.functional.cosine_similarity(tokens[:, None], tokens[None], dim=2)
    edges = []
    for source in even:
        free = [target for target in odd if target >= prefix]
        if source >= prefix and free:
            target = max(free, key=lambda candidate: similarity[source, candidate].item())
            edges.append((similarity[source, target].item(), source, target))
    edges.sort(reverse=True)
    found = {token: {token} for token in range(len(tokens))}
    for _, source, target in edges[:merged]:
        found[target].add(source)
        del found[source]
    return list(found.values())


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0, 0.5), seed=st.integers(0, 99), **SHAPES)
def test_merging_and_undoing_it_gives_each_token_the_mean_of_its_group(batch, count, prefix, share, seed):
    tokens = tokens_of(batch, count, seed)
    merged = min(int(count * share), max(count - prefix, 0) // 2)
    matching = match(tokens, merged, prefix)
    few = matching.merge(tokens)
    assert few.shape == (batch, count - merged, 8)
    whole = matching.unmerge(few)
    for image, found in zip(tokens, whole, strict=True):
        for group in groups(image, merged, prefix):
            members = sorted(group)
            torch.testing.assert_close(found[members], image[members].mean(0).expand(len(members), -1))


@settings(max_examples=20, deadline=None)
@given(**SHAPES)
def test_merging_nothing_loses_nothing(batch, count, prefix):
    tokens = tokens_of(batch, count)
    matching = match(tokens, 0, prefix)
    assert torch.equal(matching.unmerge(matching.merge(tokens)), tokens)


def test_images_of_a_batch_do_not_know_of_each_other():
    tokens = tokens_of(3, 33)
    together = match(tokens, 10, 1).merge(tokens)
    assert all(torch.equal(match(t[None], 10, 1).merge(t[None])[0], m) for t, m in zip(tokens, together, strict=True))


def test_equal_tokens_stay_what_they_are():
    tokens = torch.ones(1, 17, 4)
    matching = match(tokens, 8, 1)
    assert torch.equal(matching.unmerge(matching.merge(tokens)), tokens)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype):
    tokens = tokens_of(2, 30).to(dtype)
    matching = match(tokens, 9, 1)
    whole = matching.unmerge(matching.merge(tokens))
    assert whole.dtype == dtype
    assert torch.isfinite(whole).all()


def test_gradients_flow():
    tokens = tokens_of(1, 20).requires_grad_()
    matching = match(tokens, 6, 1)
    matching.unmerge(matching.merge(tokens)).sum().backward()
    torch.testing.assert_close(tokens.grad, torch.ones_like(tokens))
