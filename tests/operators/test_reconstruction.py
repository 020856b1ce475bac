"""`reconstruct` against the naive reference, and what it promises where that has no answer."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from hourglass.operators import Reconstruct, reconstruct, reconstruction_weights
from hourglass.operators.selection import smallest, smallest_by_groups

SEMANTICS = ("official", "paper")


def problem(batch, tokens, centers, channels=5, width=3, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    sizes = ((centers, width), (tokens, channels), (centers, channels))
    return tuple(torch.randn(batch, *size, generator=generator, dtype=dtype) for size in sizes)


@settings(max_examples=100, deadline=None)
@given(
    tokens=st.integers(1, 40),
    centers=st.integers(1, 30),
    batch=st.integers(1, 3),
    neighbors=st.integers(1, 40),
    temperature=st.sampled_from([0.02, 1.0, 30.0]),
    semantics=st.sampled_from(SEMANTICS),
    seed=st.integers(0, 2**32),
)
def test_equals_the_naive_reference(naive, tokens, centers, batch, neighbors, temperature, semantics, seed):
    arguments = problem(batch, tokens, centers, seed=seed)
    options = {"neighbors": neighbors, "temperature": temperature, "semantics": semantics}
    expected = naive.reconstruct(*arguments, **options)
    torch.testing.assert_close(reconstruct(*arguments, **options), expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("semantics", SEMANTICS)
@pytest.mark.parametrize("neighbors", [1, 3, 20])
def test_equals_the_naive_reference_with_many_centers(naive, neighbors, semantics, device):
    arguments = problem(2, 50, 301, dtype=torch.float32)
    options = {"neighbors": neighbors, "temperature": 0.5, "semantics": semantics}
    ours = reconstruct(*(tensor.to(device) for tensor in arguments), **options).cpu()
    torch.testing.assert_close(ours.double(), naive.reconstruct(*arguments, **options), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("neighbors", [1, 3, 400])
@pytest.mark.parametrize("centers", [7, 301])
def test_the_size_of_a_center_is_the_number_of_tokens_nearest_to_it(centers, neighbors):
    _, tokens, at = problem(2, 50, centers)
    sizes = reconstruction_weights(tokens, at, neighbors=neighbors, semantics="paper").sizes()
    nearest = torch.cdist(tokens, at).argmin(dim=2)
    counted = torch.stack([row.bincount(minlength=centers) for row in nearest])
    assert sizes.equal(counted.clamp(min=1).to(sizes.dtype))


@given(length=st.integers(1, 700), seed=st.integers(0, 2**32), data=st.data())
@settings(max_examples=50, deadline=None)
def test_the_smallest_are_found_where_they_are(length, seed, data):
    count = data.draw(st.integers(1, -(-length // 8)))
    # Few distinct numbers: ties are everywhere.
    values = torch.randint(0, 50, (2, 3, length), generator=torch.Generator().manual_seed(seed)).float()
    for function in (smallest, smallest_by_groups):
        found, where = function(values, count)
        assert found.sort(dim=2).values.equal(values.sort(dim=2).values[:, :, :count])
        assert values.gather(2, where).equal(found)
        assert all(len(set(row.tolist())) == count for row in where.flatten(0, 1))


@pytest.mark.parametrize("semantics", SEMANTICS)
@pytest.mark.parametrize("centers", [7, 300])
def test_one_neighbor_is_copied_bit_for_bit_however_far(centers, semantics):
    refined, tokens, middles = problem(2, 40, centers, dtype=torch.float32)
    copied = reconstruct(refined, tokens * 1e4, middles, neighbors=1, semantics=semantics)
    nearest = torch.cdist(tokens.double() * 1e4, middles.double()).argmin(dim=2)
    assert copied.equal(refined.gather(1, nearest[:, :, None].expand(-1, -1, 3)))


@pytest.mark.parametrize("centers", [30, 300])
def test_far_tokens_fade_officially_and_never_on_paper(naive, centers):
    refined, tokens, middles = problem(1, 20, centers, dtype=torch.float32)
    tokens = tokens + torch.arange(20)[None, :, None] * 10
    official = reconstruct(refined, tokens, middles, temperature=1.0, semantics="official")
    paper = reconstruct(refined, tokens, middles, temperature=1.0, semantics="paper")
    assert official[:, -1].abs().max() == 0
    assert official.isfinite().all()
    expected = naive.reconstruct(refined, tokens, middles, neighbors=20, temperature=1.0, semantics="paper")
    torch.testing.assert_close(paper.double(), expected, rtol=1e-3, atol=1e-3)


def test_centers_that_tie_for_the_last_place_are_all_kept():
    # Four centers at the same distance from the token, two wanted: the official code keeps the four.
    centers = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0], [5.0, 5.0]]])
    refined = torch.arange(5.0).view(1, 5, 1)
    token = torch.zeros(1, 1, 2)
    assert reconstruct(refined, token, centers, neighbors=2).item() == pytest.approx(6 / 2)
    assert reconstruct(refined, token, centers, neighbors=2, semantics="paper").item() == pytest.approx(6 / 4)


def test_distances_that_differ_do_not_tie_however_flat_their_weights():
    # The third and the fourth squared distance are 15.8361 to six digits; at this temperature their weights differ by
    # less than five roundings.
    distances = torch.tensor([1.0, 4.0, 15.83608, 15.83612, 30.0])
    centers = distances.sqrt().diag_embed()[None]
    weights = reconstruction_weights(torch.zeros(1, 1, 5), centers, neighbors=3, temperature=0.01)
    assert (weights.values[0, 0] > 0).tolist() == [True, True, True, False, False]


class RoundingTwice(TorchDispatchMode):
    """What a compiler may do: the numbers that are compared are one rounding larger than those that were sorted."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket is torch.ops.aten.le:
            args = (torch.nextafter(args[0], torch.tensor(torch.inf)), *args[1:])
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("semantics", SEMANTICS)
def test_the_last_of_the_nearest_stays_when_the_comparison_rounds_differently(semantics):
    _, tokens, middles = problem(1, 20, 12, dtype=torch.float32)
    options = {"neighbors": 5, "temperature": 0.5, "semantics": semantics}
    expected = reconstruction_weights(tokens, middles, **options).values
    with RoundingTwice():
        assert reconstruction_weights(tokens, middles, **options).values.equal(expected)


def test_constant_tokens_tie_with_all_centers(naive):
    refined = problem(1, 1, 50, dtype=torch.float32)[0]
    tokens, centers = torch.full((1, 60, 4), 1234.5), torch.full((1, 50, 4), 1234.5)
    for semantics in SEMANTICS:
        options = {"neighbors": 20, "temperature": 0.02, "semantics": semantics}
        ours = reconstruct(refined, tokens, centers, **options)
        torch.testing.assert_close(
            ours.double(), naive.reconstruct(refined, tokens, centers, **options), rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize("semantics", SEMANTICS)
@pytest.mark.parametrize("centers", [12, 300])
def test_the_weights_have_norm_one(centers, semantics):
    _, tokens, middles = problem(2, 30, centers)
    values = reconstruction_weights(tokens, middles, neighbors=5, semantics=semantics).values
    norms = values.norm(p=2 if semantics == "official" else 1, dim=2)
    torch.testing.assert_close(norms, torch.ones_like(norms))


@pytest.mark.parametrize("centers", [12, 300])
@pytest.mark.parametrize("neighbors", [1, 5])
def test_weights_serve_any_number_of_maps(neighbors, centers):
    refined, tokens, middles = problem(2, 30, centers)
    weights = reconstruction_weights(tokens, middles, neighbors=neighbors)
    for scale in (1, -2):
        expected = reconstruct(scale * refined[:, :, :scale], tokens, middles, neighbors=neighbors)
        torch.testing.assert_close(weights(scale * refined[:, :, :scale]), expected)


@pytest.mark.parametrize("centers", [12, 300])
def test_images_of_a_batch_do_not_meet(centers):
    refined, tokens, middles = problem(3, 30, centers, dtype=torch.float32)
    alone = reconstruct(refined[1:2], tokens[1:2], middles[1:2])
    for tensor in (refined, tokens, middles):
        tensor[0], tensor[2] = torch.nan, torch.inf
    torch.testing.assert_close(reconstruct(refined, tokens, middles)[1:2], alone)


def test_the_module_is_the_function():
    arguments = problem(1, 30, 12)
    options = {"neighbors": 4, "temperature": 0.5, "semantics": "paper"}
    module = Reconstruct(**options)
    assert module(*arguments).equal(reconstruct(*arguments, **options))
    assert not list(module.parameters())
    assert "neighbors=4" in repr(module)


@pytest.mark.parametrize("neighbors", [1, 5])
@pytest.mark.parametrize("centers", [12, 301])
def test_what_is_not_a_number_stays_where_it_is(neighbors, centers):
    refined, tokens, middles = problem(1, 30, centers)
    expected = reconstruct(refined, tokens, middles, neighbors=neighbors)
    tokens[0, 0] = torch.nan
    ours = reconstruct(refined, tokens, middles, neighbors=neighbors)
    torch.testing.assert_close(ours[:, 1:], expected[:, 1:])
