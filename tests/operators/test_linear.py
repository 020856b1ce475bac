"""Linear interpolation: weights that rebuild a token from its neighbors."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hourglass.operators import cluster, reconstruction_weights
from hourglass.operators.linear import LEAST, RIDGE


def problem(batch, tokens, centers, channels=5, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(batch, count, channels, generator=generator, dtype=dtype) for count in (tokens, centers))


def weights(tokens, centers, **options):
    return reconstruction_weights(tokens, centers, **{"semantics": "paper", "interpolation": "linear", **options})


def spread_out(found):
    """Weights of the chosen centers as (B, N, K)."""
    batch, tokens, _ = found.values.shape
    return found.values.new_zeros(batch, tokens, found.centers).scatter(2, found.chosen, found.values)


def naive(token, centers, neighbors, temperature):
    """The weights of one token by the conditions of its minimum, with a multiplier for the sum."""
    distances = (centers - token).square().sum(1)
    chosen = distances.argsort()[:neighbors]
    closeness = (-temperature * distances[chosen]).softmax(0).clamp(min=LEAST)
    apart = centers[chosen] - token
    count = len(chosen)
    system = torch.ones(count + 1, count + 1, dtype=token.dtype)
    system[:count, :count] = temperature * apart @ apart.T + torch.diag(RIDGE / closeness)
    system[count, count] = 0
    right = torch.zeros(count + 1, dtype=token.dtype)
    right[count] = 1
    found = torch.zeros(len(centers), dtype=token.dtype)
    found[chosen] = torch.linalg.solve(system, right)[:count]
    return found


@settings(max_examples=60, deadline=None)
@given(
    tokens=st.integers(1, 20),
    centers=st.integers(1, 30),
    batch=st.integers(1, 3),
    neighbors=st.integers(2, 12),
    temperature=st.sampled_from([0.02, 1.0, 30.0]),
    seed=st.integers(0, 2**32),
)
def test_equals_the_naive_reference(tokens, centers, batch, neighbors, temperature, seed):
    inputs, at = problem(batch, tokens, centers, seed=seed)
    found = spread_out(weights(inputs, at, neighbors=neighbors, temperature=temperature))
    for image in range(batch):
        for token in range(tokens):
            expected = naive(inputs[image, token], at[image], neighbors, temperature)
            torch.testing.assert_close(found[image, token], expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("centers", [7, 301])
def test_single_precision_is_close_to_double(centers):
    inputs, at = problem(2, 50, centers, channels=32)
    double = spread_out(weights(inputs, at, neighbors=6, temperature=1.0))
    single = spread_out(weights(inputs.float(), at.float(), neighbors=6, temperature=1.0))
    torch.testing.assert_close(single.double(), double, rtol=0, atol=1e-4)


def test_what_changes_linearly_comes_back_exactly_and_by_distance_it_does_not():
    generator = torch.Generator().manual_seed(0)
    flat = torch.rand(1, 400, 2, generator=generator, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(torch.linspace(0, 1, 12), torch.linspace(0, 1, 12), indexing="ij"), 2)
    plane, slope = (torch.randn(*size, generator=generator, dtype=torch.float64) for size in ((2, 16), (16, 16)))
    tokens, centers = flat @ plane, grid.flatten(0, 1).double()[None] @ plane
    refined, expected = centers + centers @ slope + 1, tokens + tokens @ slope + 1
    options = {"neighbors": 6, "temperature": 1e4}
    linear = weights(tokens, centers, **options).residual(refined, tokens, centers)
    torch.testing.assert_close(linear, expected, rtol=0, atol=1e-3)
    kernel = weights(tokens, centers, interpolation="kernel", **options).residual(refined, tokens, centers)
    assert (kernel - expected).norm() > 100 * (linear - expected).norm()


@pytest.mark.parametrize("scale", [0.0, 1e-6, 1e3])
def test_tokens_in_one_place_or_far_apart_have_weights_that_sum_to_one(scale):
    tokens, centers = problem(2, 30, 9, dtype=torch.float32)
    found = weights(scale * tokens, scale * centers, neighbors=5, temperature=1.0).values
    assert found.isfinite().all()
    torch.testing.assert_close(found.sum(2), torch.ones(2, 30))


def test_a_token_on_a_center_is_that_center():
    _, centers = problem(1, 1, 30)
    found = spread_out(weights(centers, centers, neighbors=5, temperature=100.0))
    torch.testing.assert_close(found, torch.eye(30, dtype=found.dtype)[None], rtol=0, atol=1e-3)


def test_the_size_of_a_center_still_counts_the_tokens_nearest_to_it():
    tokens, centers = problem(2, 50, 7)
    by_distance = weights(tokens, centers, neighbors=4, interpolation="kernel")
    assert weights(tokens, centers, neighbors=4).sizes().equal(by_distance.sizes())


def test_it_is_differentiable():
    inputs = [tensor.requires_grad_() for tensor in problem(1, 4, 6)]
    assert torch.autograd.gradcheck(lambda *both: weights(*both, neighbors=3, temperature=0.3).values, inputs)


def test_half_precision_is_computed_in_single():
    tokens, centers = (20 * tensor.bfloat16() + 100 for tensor in problem(2, 40, 12, channels=64))
    half = weights(tokens, centers, neighbors=4)
    assert half.values.equal(weights(tokens.float(), centers.float(), neighbors=4).values)
    assert half.residual(centers, tokens, centers).dtype == torch.bfloat16


def flow(tokens):
    centers = cluster(tokens, (6, 7), (4, 5))
    return weights(tokens, centers, neighbors=4, temperature=0.5).residual(centers.tanh(), tokens, centers)


@pytest.mark.parametrize("kind", ["compiled", "exported", "traced"])
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:.*torch.jit.trace:FutureWarning")
def test_it_is_one_graph(kind):
    class Flow(torch.nn.Module):
        def forward(self, tokens):
            return flow(tokens)

    tokens = torch.randn(2, 42, 8, generator=torch.Generator().manual_seed(0))
    if kind == "compiled":
        torch.compiler.reset()
        function = torch.compile(Flow(), backend="aot_eager", fullgraph=hasattr(torch.export, "Dim"))
    elif kind == "exported":
        function = torch.export.export(Flow(), (tokens,)).module()
    else:
        function = torch.jit.trace(Flow(), (tokens,), check_trace=False)
    torch.testing.assert_close(function(tokens), flow(tokens), rtol=1e-4, atol=1e-4)
    assert flow(tokens.to("meta")).shape == tokens.shape


def test_what_does_not_fit_is_said():
    tokens, centers = problem(1, 4, 3)
    with pytest.raises(ValueError, match=r"^interpolation: must be one of kernel, linear, got 'cubic'$"):
        weights(tokens, centers, interpolation="cubic")
    with pytest.raises(ValueError, match=r"^interpolation: linear weights sum to one; .*semantics='paper'$"):
        weights(tokens, centers, semantics="official")
