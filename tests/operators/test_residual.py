"""Tokens that keep what they were and take over what changed in their clusters."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hourglass.operators import reconstruct, reconstruction_weights


def problem(batch=2, tokens=30, centers=12, channels=5, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    sizes = (centers, channels), (tokens, channels), (centers, channels)
    return tuple(torch.randn(batch, *size, generator=generator, dtype=dtype) for size in sizes)


def weights_of(tokens, centers, neighbors=4, temperature=0.5):
    return reconstruction_weights(tokens, centers, neighbors=neighbors, temperature=temperature, semantics="paper")


sizes = {"batch": st.integers(1, 3), "tokens": st.integers(1, 40), "centers": st.sampled_from([1, 7, 30, 300])}
neighbors = st.sampled_from([1, 4, 20])


@settings(max_examples=50, deadline=None)
@given(**sizes, neighbors=neighbors, seed=st.integers(0, 2**32))
def test_it_adds_the_reconstructed_change(batch, tokens, centers, neighbors, seed):
    refined, tokens, middles = problem(batch, tokens, centers, seed=seed)
    options = {"neighbors": neighbors, "temperature": 0.5, "semantics": "paper"}
    expected = tokens + reconstruct(refined - middles, tokens, middles, **options)
    torch.testing.assert_close(weights_of(tokens, middles, neighbors).residual(refined, tokens, middles), expected)


@settings(max_examples=50, deadline=None)
@given(**sizes, neighbors=neighbors, seed=st.integers(0, 2**32), dtype=st.sampled_from([torch.float32, torch.bfloat16]))
def test_layers_that_change_nothing_leave_the_tokens_as_they_were(batch, tokens, centers, neighbors, seed, dtype):
    _, tokens, middles = problem(batch, tokens, centers, seed=seed, dtype=torch.float32)
    tokens, middles = tokens.to(dtype), middles.to(dtype)
    assert weights_of(tokens, middles, neighbors).residual(middles, tokens, middles).equal(tokens)


@settings(max_examples=25, deadline=None)
@given(**sizes, neighbors=neighbors, seed=st.integers(0, 2**32))
def test_a_change_common_to_all_centers_reaches_every_token(batch, tokens, centers, neighbors, seed):
    _, tokens, middles = problem(batch, tokens, centers, seed=seed)
    moved = weights_of(tokens, middles, neighbors).residual(middles + 3.0, tokens, middles)
    torch.testing.assert_close(moved, tokens + 3.0)


@pytest.mark.parametrize("centers", [12, 300])
@pytest.mark.parametrize("neighbors", [1, 4])
def test_constant_tokens_take_over_the_mean_change(neighbors, centers):
    refined = problem(1, centers=centers, dtype=torch.float32)[0]
    tokens, middles = torch.full((1, 30, 5), 1234.5), torch.full((1, centers, 5), 1234.5)
    rebuilt = weights_of(tokens, middles, neighbors).residual(refined, tokens, middles)
    assert rebuilt.isfinite().all()
    # A product of matrices may round the rows of its last tile otherwise than those before.
    torch.testing.assert_close(rebuilt, rebuilt[:, :1].expand_as(rebuilt), rtol=0, atol=1e-3)
    if centers == 12 and neighbors == 4:  # all centers tie
        torch.testing.assert_close(rebuilt[:, 0], refined.mean(dim=1), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("centers", [12, 300])
def test_images_of_a_batch_do_not_meet(centers):
    refined, tokens, middles = problem(3, centers=centers, dtype=torch.float32)
    alone = weights_of(tokens[1:2], middles[1:2]).residual(refined[1:2], tokens[1:2], middles[1:2])
    for tensor in (refined, tokens, middles):
        tensor[0], tensor[2] = torch.nan, torch.inf
    torch.testing.assert_close(weights_of(tokens, middles).residual(refined, tokens, middles)[1:2], alone)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("centers", [12, 300])
def test_half_precision_is_rounded_once(centers, dtype):
    refined, tokens, middles = (10 * tensor.float() for tensor in problem(centers=centers))
    half = [tensor.to(dtype) for tensor in (refined, tokens, middles)]
    found = weights_of(half[1], half[2]).residual(*half)
    assert found.dtype == dtype
    single = [tensor.float() for tensor in half]
    assert found.equal(weights_of(single[1], single[2]).residual(*single).to(dtype))


@pytest.mark.parametrize("centers", [9, 300])
def test_it_differentiates_all_it_is_given(centers):
    inputs = [tensor.requires_grad_() for tensor in problem(1, 3, centers, 2)]
    assert torch.autograd.gradcheck(
        lambda refined, tokens, middles: weights_of(tokens, middles).residual(refined, tokens, middles),
        inputs,
        fast_mode=centers > 9,
    )


def test_weights_that_do_not_sum_to_one_are_refused():
    refined, tokens, middles = problem()
    with pytest.raises(ValueError, match=r"^semantics: the residual form needs .* semantics='paper'$"):
        reconstruction_weights(tokens, middles).residual(refined, tokens, middles)
    copied = reconstruction_weights(tokens, middles, neighbors=1).residual(refined, tokens, middles)
    assert copied.shape == tokens.shape  # A copy has the weight 1 under both semantics.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"refined": torch.zeros(2, 11, 5)}, r"refined: shape \(2, 11, 5\) does not go with 12 centers"),
        ({"tokens": torch.zeros(2, 31, 5)}, r"tokens: shape \(2, 31, 5\) does not go with weights for 30 tokens"),
        ({"centers": torch.zeros(2, 12, 4)}, r"centers: shape \(2, 12, 4\) does not go with refined"),
        ({"tokens": torch.zeros(2, 30, 6)}, "refined: has 5 channels, but `tokens` has 6"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    refined, tokens, middles = problem(dtype=torch.float32)
    weights = weights_of(tokens, middles)
    with pytest.raises(ValueError, match=f"^{message}"):
        weights.residual(**{"refined": refined, "tokens": tokens, "centers": middles} | change)
