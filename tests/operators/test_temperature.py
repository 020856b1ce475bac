"""The temperature without a unit, and temperatures for each batch element."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode

from hourglass.operators import cluster, reconstruct, reconstruction_weights, relative_temperature
from hourglass.operators.clustering import cells, cluster_dense
from hourglass.operators.clustering_local import cluster_local
from hourglass.operators.tiling import considered

SEMANTICS = ("official", "paper")
GRID, CLUSTERS = (12, 10), (5, 6)


def random(*sizes, seed=0, dtype=torch.float32):
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def spread(tokens, grid, clusters):
    """q of one image, token after token."""
    image = tokens.double().unflatten(0, grid)
    cpu = torch.device("cpu")
    rows, columns = (cells(count, middles, cpu).tolist() for count, middles in zip(grid, clusters, strict=True))
    distances = []
    for y, row in enumerate(rows):
        for x, column in enumerate(columns):
            mean = image[bins(row, grid[0], clusters[0]), bins(column, grid[1], clusters[1])].mean(dim=(0, 1))
            distances.append((image[y, x] - mean).square().sum().item())
    return sum(distances) / len(distances)


def bins(index, tokens, centers):
    return slice(index * tokens // centers, -(-(index + 1) * tokens // centers))


@settings(max_examples=40, deadline=None)
@given(
    grid=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    batch=st.integers(1, 3),
    seed=st.integers(0, 2**32),
)
def test_it_is_the_sharpness_over_the_mean_squared_distance_to_the_cell(grid, rows, columns, batch, seed):
    clusters = min(rows, grid[0] * grid[1]), 1
    clusters = clusters[0], max(1, min(columns, grid[0] * grid[1] // clusters[0]))
    tokens = random(batch, grid[0] * grid[1], 3, seed=seed, dtype=torch.float64)
    expected = [spread(image, grid, clusters) for image in tokens]
    found = relative_temperature(tokens, grid, clusters, sharpness=7.0)
    assert found.dtype == torch.float64
    assert found.isfinite().all()
    for temperature, q in zip(found.tolist(), expected, strict=True):
        assert q < 1e-20 or temperature == pytest.approx(7.0 / q)


def test_windows_of_an_image_share_the_mean():
    tokens = random(6, 120, 4) * torch.arange(1, 7)[:, None, None]
    alone = 1 / relative_temperature(tokens, GRID, CLUSTERS)
    shared = 1 / relative_temperature(tokens, GRID, CLUSTERS, windows=3)
    expected = torch.stack([alone[:3].mean()] * 3 + [alone[3:].mean()] * 3)
    torch.testing.assert_close(shared, expected)


@pytest.mark.parametrize("windows", [1, 2])
def test_no_image_depends_on_another(windows):
    tokens = random(6, 120, 4)
    alone = relative_temperature(tokens[2:4], GRID, CLUSTERS, windows=windows)
    tokens[:2], tokens[4:] = torch.nan, 1e6
    assert relative_temperature(tokens, GRID, CLUSTERS, windows=windows)[2:4].equal(alone)


@pytest.mark.parametrize("value", [0.0, 1e-30, 1234.5, -1e15])
def test_constant_tokens_are_harmless(value):
    tokens = torch.full((2, 120, 4), value)
    temperature = relative_temperature(tokens, GRID, CLUSTERS)
    assert temperature.isfinite().all()
    centers = cluster(tokens, GRID, CLUSTERS, temperature=temperature)
    torch.testing.assert_close(centers, torch.full((2, 30, 4), value))
    for semantics in SEMANTICS:
        weights = reconstruction_weights(tokens, centers, temperature=temperature, semantics=semantics)
        assert weights.values.isfinite().all()


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_cells_without_spread_keep_to_themselves(scale):
    # Every token equals the mean of its cell, and the cells differ: no spread to measure, but distances there are.
    cell = random(2, 5, 6, 1, 1, 4).expand(-1, -1, -1, 2, 2, -1).transpose(2, 3).reshape(2, 120, 4) * scale
    temperature = relative_temperature(cell, (10, 12), CLUSTERS)
    assert temperature.isfinite().all()
    for semantics in SEMANTICS:
        centers = cluster(cell, (10, 12), CLUSTERS, temperature=temperature, semantics=semantics)
        torch.testing.assert_close(centers / scale, random(2, 5, 6, 1, 1, 4).flatten(1, 4), rtol=1e-4, atol=1e-4)
        rebuilt = reconstruct(centers, cell, centers, temperature=temperature, semantics=semantics)
        torch.testing.assert_close(rebuilt / scale, cell / scale, rtol=1e-4, atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(exponent=st.floats(-6, 6), seed=st.integers(0, 2**32), semantics=st.sampled_from(SEMANTICS))
def test_the_length_of_tokens_changes_nothing(exponent, seed, semantics):
    tokens, scale = random(2, 120, 4, seed=seed, dtype=torch.float64), 10**exponent

    def flow(tokens):
        temperature = relative_temperature(tokens, GRID, CLUSTERS)
        centers = cluster(tokens, GRID, CLUSTERS, temperature=temperature, semantics=semantics)
        options = {"neighbors": 4, "temperature": temperature, "semantics": semantics}
        return centers, reconstruction_weights(tokens, centers, **options).values

    centers, weights = flow(tokens)
    scaled_centers, scaled_weights = flow(scale * tokens)
    torch.testing.assert_close(scaled_centers / scale, centers, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(scaled_weights, weights, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_statistics_of_half_precision_are_taken_in_single(dtype):
    tokens = (300 * random(2, 120, 64)).to(dtype)
    found = relative_temperature(tokens, GRID, CLUSTERS)
    assert found.dtype == torch.float32
    assert found.equal(relative_temperature(tokens.float(), GRID, CLUSTERS))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert found.equal(relative_temperature(tokens, GRID, CLUSTERS))


@pytest.mark.parametrize("semantics", SEMANTICS)
def test_as_many_clusters_as_tokens_are_the_tokens(semantics):
    tokens = random(2, 120, 64) + 3
    temperature = relative_temperature(tokens, GRID, GRID)
    centers = cluster(tokens, GRID, GRID, temperature=temperature, semantics=semantics)
    torch.testing.assert_close(centers, tokens, rtol=1e-5, atol=1e-5)
    rebuilt = reconstruct(centers, tokens, centers, temperature=temperature, semantics=semantics)
    torch.testing.assert_close(rebuilt, tokens, rtol=1e-5, atol=1e-5)


def test_it_is_constant_in_the_gradient():
    assert not relative_temperature(random(1, 120, 4).requires_grad_(), GRID, CLUSTERS).requires_grad


def test_shapes_without_numbers():
    with FakeTensorMode():
        assert relative_temperature(torch.empty(6, 120, 4), GRID, CLUSTERS, windows=3).shape == (6,)
    assert relative_temperature(torch.empty(6, 120, 4, device="meta"), GRID, CLUSTERS).shape == (6,)


@pytest.mark.parametrize("semantics", SEMANTICS)
@pytest.mark.parametrize("form", ["plain", "one tile", "many tiles", "quarters"])
def test_each_batch_element_is_clustered_at_its_temperature(form, semantics):
    tokens, temperatures = random(3, 120, 4, dtype=torch.float64), torch.tensor([0.02, 0.3, 2.0]).double()
    tilings = [tiling for tiling in considered(GRID, CLUSTERS, 1) if tiling.quartered == (form == "quarters")]
    many = -1 if form == "one tile" else 1
    tiling = max(tilings, key=lambda tiling: many * tiling.rows.tiles * tiling.columns.tiles)

    def run(tokens, temperature):
        if form == "plain":
            return cluster_dense(tokens, GRID, CLUSTERS, 3, 3, temperature, semantics)
        return cluster_local(tokens, tiling, 3, temperature, semantics)

    together = run(tokens, temperatures)
    for element, temperature in enumerate(temperatures.tolist()):
        torch.testing.assert_close(together[element], run(tokens[element, None], temperature)[0])


@pytest.mark.parametrize("semantics", SEMANTICS)
@pytest.mark.parametrize("centers", [30, 300])
def test_each_batch_element_is_reconstructed_at_its_temperature(centers, semantics):
    refined, tokens, middles = (
        random(3, count, 4, seed=count, dtype=torch.float64) for count in (centers, 50, centers)
    )
    temperatures = torch.tensor([0.02, 0.3, 2.0])
    together = reconstruct(refined, tokens, middles, temperature=temperatures.double(), semantics=semantics)
    for element, temperature in enumerate(temperatures.double().tolist()):
        one = slice(element, element + 1)
        options = {"temperature": temperature, "semantics": semantics}
        torch.testing.assert_close(together[one], reconstruct(refined[one], tokens[one], middles[one], **options))


@pytest.mark.parametrize("centers", [(5, 6), (17, 18)])
def test_one_graph(centers):
    def flow(tokens):
        temperature = relative_temperature(tokens, (20, 21), centers, windows=2)
        middles = cluster(tokens, (20, 21), centers, iterations=2, temperature=temperature)
        weights = reconstruction_weights(tokens, middles, neighbors=4, temperature=temperature, semantics="paper")
        return weights.residual(middles.tanh(), tokens, middles)

    tokens = random(4, 420, 8)
    torch.compiler.reset()
    compiled = torch.compile(flow, fullgraph=hasattr(torch.export, "Dim"), backend="aot_eager")
    torch.testing.assert_close(compiled(tokens), flow(tokens), rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not hasattr(torch.export, "Dim"), reason="PyTorch 2.1 exports no dynamic shapes")
def test_export_with_any_batch():
    class Flow(torch.nn.Module):
        def forward(self, tokens):
            temperature = relative_temperature(tokens, GRID, CLUSTERS)
            centers = cluster(tokens, GRID, CLUSTERS, temperature=temperature)
            weights = reconstruction_weights(tokens, centers, neighbors=4, temperature=temperature, semantics="paper")
            return weights.residual(centers.tanh(), tokens, centers)

    batch = torch.export.Dim("batch", min=1)
    exported = torch.export.export(Flow(), (random(2, 120, 4),), dynamic_shapes=({0: batch},))
    tokens = random(5, 120, 4, seed=1)
    torch.testing.assert_close(exported.module()(tokens), Flow()(tokens), rtol=1e-4, atol=1e-4)
