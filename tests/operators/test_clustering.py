"""`cluster`, plain and tiled, against the naive reference in float64."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from hourglass.operators import Cluster, cluster
from hourglass.operators.clustering import cells as interpolated_cells
from hourglass.operators.clustering import cluster_dense
from hourglass.operators.clustering_local import cluster_local
from hourglass.operators.tiling import cells, choose_tiling, considered

SEMANTICS = ("official", "paper")


@st.composite
def problems(draw):
    """Any grids with no more centers than tokens, more rows of centers than of tokens included."""
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    rows = draw(st.integers(1, height * width))
    columns = draw(st.integers(1, height * width // rows))
    settings = {
        "iterations": draw(st.integers(0, 3)),
        "window": draw(st.sampled_from([1, 3, 5, 7, 25])),
        "temperature": draw(st.sampled_from([0.02, 0.5, 3.0, 100.0])),
        "semantics": draw(st.sampled_from(SEMANTICS)),
    }
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    batch, channels = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    tokens = torch.randn(batch, height * width, channels, generator=generator, dtype=torch.float64)
    return tokens + draw(st.sampled_from([0.0, 10.0])), (height, width), (rows, columns), settings


@settings(max_examples=100, deadline=None)
@given(problem=problems())
def test_equals_the_naive_reference(naive, problem):
    tokens, grid, clusters, options = problem
    expected = naive.cluster(tokens, grid, clusters, **options)
    torch.testing.assert_close(cluster(tokens, grid, clusters, **options), expected, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(cluster_dense(tokens, grid, clusters, **options), expected, rtol=1e-8, atol=1e-8)


@settings(max_examples=30, deadline=None)
@given(problem=problems())
def test_every_tiling_gives_the_same_centers(problem):
    tokens, grid, clusters, options = problem
    assume(options["window"] > 1 and clusters != (1, 1))
    expected = cluster_dense(tokens, grid, clusters, **options)
    for tiling in considered(grid, clusters, options["window"] // 2):
        centers = cluster_local(tokens, tiling, options["iterations"], options["temperature"], options["semantics"])
        torch.testing.assert_close(centers, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("semantics", SEMANTICS)
@pytest.mark.parametrize(
    ("grid", "clusters"), [((22, 76), (28, 28)), ((40, 40), (28, 28)), ((12, 12), (8, 8)), ((17, 31), (5, 23))]
)
def test_the_fast_form_equals_the_plain_one_in_single_precision(grid, clusters, semantics, device):
    tokens = 3 + torch.randn(2, grid[0] * grid[1], 24, generator=torch.Generator().manual_seed(0))
    plain = cluster_dense(tokens.double(), grid, clusters, 5, 5, 0.02, semantics)
    for quarters in (False, True):
        tiling = choose_tiling(grid, clusters, window=5, channels=1024, iterations=5, quarters=quarters)
        assert tiling is not None
        fast = cluster_local(tokens.to(device), tiling, 5, 0.02, semantics)
        torch.testing.assert_close(fast.cpu().double(), plain, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("semantics", SEMANTICS)
@pytest.mark.parametrize(("grid", "clusters"), [((24, 21), (16, 14)), ((18, 15), (12, 10))])
def test_tiles_that_share_half_of_their_tokens_multiply_them_once(grid, clusters, semantics):
    tokens = torch.randn(2, grid[0] * grid[1], 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = cluster_dense(tokens, grid, clusters, 3, 5, 0.3, semantics)
    shared = [tiling for tiling in considered(grid, clusters, 2) if tiling.rows.halves or tiling.quartered]
    assert {tiling.quartered for tiling in shared} == {True, False}
    for tiling in shared:
        centers = cluster_local(tokens, tiling, 3, 0.3, semantics)
        torch.testing.assert_close(centers, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("semantics", SEMANTICS)
@pytest.mark.parametrize("value", [0.0, -3.7, 1234.5])
def test_constant_tokens_give_constant_centers(value, semantics):
    centers = cluster(torch.full((1, 400, 6), value), (20, 20), (14, 14), semantics=semantics)
    torch.testing.assert_close(centers, torch.full((1, 196, 6), value))


@pytest.mark.parametrize("semantics", SEMANTICS)
def test_a_single_center_is_the_mean(semantics):
    tokens = torch.randn(2, 35, 4, generator=torch.Generator().manual_seed(0))
    centers = cluster(tokens, (5, 7), (1, 1), semantics=semantics)
    torch.testing.assert_close(centers, tokens.mean(dim=1, keepdim=True))


def test_without_iterations_it_is_average_pooling():
    tokens = torch.randn(2, 54, 4, generator=torch.Generator().manual_seed(0))
    pooled = F.adaptive_avg_pool2d(tokens.transpose(1, 2).unflatten(2, (6, 9)), (4, 5))
    torch.testing.assert_close(cluster(tokens, (6, 9), (4, 5), iterations=0), pooled.flatten(2).transpose(1, 2))


def test_a_center_that_no_token_is_near_fades_or_not():
    # One row of tokens and four rows of centers: with the smallest window, the last rows meet no token.
    tokens = 5 + torch.rand(1, 8, 3, generator=torch.Generator().manual_seed(0))
    options = {"grid": (1, 8), "clusters": (4, 2), "window": 1}
    official = cluster(tokens, **options, semantics="official")
    paper = cluster(tokens, **options, semantics="paper")
    pooled = cluster(tokens, **options, iterations=0)
    assert official[:, 2:].abs().max() == 0
    torch.testing.assert_close(paper[:, 2:], pooled[:, 2:])


def test_images_of_a_batch_do_not_meet():
    tokens = torch.randn(3, 400, 8, generator=torch.Generator().manual_seed(0))
    alone = cluster(tokens[1:2], (20, 20), (14, 14))
    tokens[0], tokens[2] = torch.nan, torch.inf
    torch.testing.assert_close(cluster(tokens, (20, 20), (14, 14))[1:2], alone)


def test_the_grid_may_be_read_from_a_view():
    tokens = torch.randn(2, 8, 400, generator=torch.Generator().manual_seed(0)).transpose(1, 2)
    torch.testing.assert_close(cluster(tokens, (20, 20), (14, 14)), cluster(tokens.contiguous(), (20, 20), (14, 14)))


def test_the_module_is_the_function():
    tokens = torch.randn(1, 100, 4, generator=torch.Generator().manual_seed(0))
    options = {"iterations": 3, "window": 3, "temperature": 0.5, "semantics": "paper"}
    module = Cluster((4, 6), **options)
    assert module(tokens, (10, 10)).equal(cluster(tokens, (10, 10), (4, 6), **options))
    assert not list(module.parameters())
    assert "clusters=(4, 6)" in repr(module)


def test_cells_round_as_interpolation_does():
    for tokens in range(1, 90):
        for centers in range(1, 90):
            interpolated = interpolated_cells(tokens, centers, torch.device("cpu"))
            assert cells(tokens, centers) == tuple(interpolated.tolist()), (tokens, centers)


def multiply_adds(tokens, grid, clusters):
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        cluster(tokens, grid, clusters)
    return counter.get_total_flops() / 2


def test_work_grows_with_the_tokens_and_not_with_the_pairs():
    per_token = [
        multiply_adds(torch.empty(1, side**2, 64, device="meta"), (side, side), (side * 5 // 8, side * 5 // 8))
        / side**2
        for side in (32, 64, 128)
    ]
    assert max(per_token) < 1.5 * min(per_token)


def test_work_is_a_fraction_of_the_dense_form():
    tokens = torch.empty(1, 1600, 1024, device="meta")
    dense = 2 * 5 * 1600 * 784 * 1024
    assert multiply_adds(tokens, (40, 40), (28, 28)) < dense / 10
