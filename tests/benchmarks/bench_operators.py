"""How much faster the operators are than the official formula written densely, and how their time grows.

Each round times the dense form, ours, and the dense form again, so that whatever else the machine does meets all. The
ratio of the two forms is the figure to look at; the times themselves belong to the machine. The ratio of the two dense
runs is the control: were the machine quiet, it would be 1. Where it is not, look at the ratio of the processor times,
which other work disturbs less.
"""

from __future__ import annotations

import pytest
import torch

from hourglass.bench.measuring.dense import dense_clustering, dense_reconstruction
from hourglass.operators import cluster, reconstruct, reconstruction_weights, relative_temperature

from .alternating import ROUNDS, alternate


@pytest.fixture(autouse=True)
def _without_gradients():
    with torch.inference_mode():
        yield


def random(*sizes, seed=0):
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("batch", "side", "clusters", "channels"),
    [
        (1, 40, 28, 1024),
        (1, 48, 32, 1024),
        (1, 30, 20, 1024),
        (1, 36, 20, 192),
        (64, 12, 8, 768),
    ],
)
@pytest.mark.benchmark(group="clustering")
def test_clustering(benchmark, batch, side, clusters, channels):
    tokens = 0.5 * random(batch, side**2, channels)
    grids = (side, side), (clusters, clusters)
    torch.testing.assert_close(cluster(tokens, *grids), dense_clustering(tokens, *grids), rtol=1e-3, atol=1e-3)
    alternate(benchmark, lambda: cluster(tokens, *grids), lambda: dense_clustering(tokens, *grids))


@pytest.mark.parametrize("iterations", [3, 2, 1])
@pytest.mark.benchmark(group="clustering, fewer iterations against five of the dense form")
def test_clustering_with_fewer_iterations(benchmark, iterations):
    tokens, grids = 0.5 * random(1, 48**2, 1024), ((48, 48), (32, 32))
    alternate(
        benchmark, lambda: cluster(tokens, *grids, iterations=iterations), lambda: dense_clustering(tokens, *grids)
    )


@pytest.mark.benchmark(group="relative temperature against the dense clustering")
def test_relative_temperature(benchmark):
    tokens, grids = 0.5 * random(1, 48**2, 1024), ((48, 48), (32, 32))
    alternate(benchmark, lambda: relative_temperature(tokens, *grids), lambda: dense_clustering(tokens, *grids))


@pytest.mark.parametrize("side", [32, 64, 96, 128])
@pytest.mark.benchmark(group="clustering, growing grid")
def test_clustering_of_a_growing_grid(benchmark, side):
    tokens = 0.5 * random(1, side**2, 256)
    benchmark.pedantic(cluster, (tokens, (side, side), (side * 5 // 8, side * 5 // 8)), rounds=ROUNDS, warmup_rounds=2)
    benchmark.extra_info["microseconds_per_token"] = benchmark.stats.stats.median / side**2 * 1e6


@pytest.mark.parametrize(
    ("side", "clusters", "channels", "width"), [(40, 28, 1024, 1024), (48, 32, 1024, 1024), (40, 28, 1024, 150)]
)
@pytest.mark.benchmark(group="reconstruction")
def test_reconstruction(benchmark, side, clusters, channels, width):
    tokens = 0.3 * random(1, side**2, channels)
    arguments = random(1, clusters**2, width, seed=1), tokens, cluster(tokens, (side, side), (clusters, clusters))
    torch.testing.assert_close(reconstruct(*arguments), dense_reconstruction(*arguments), rtol=1e-3, atol=1e-3)
    alternate(benchmark, lambda: reconstruct(*arguments), lambda: dense_reconstruction(*arguments))


@pytest.mark.parametrize(("side", "clusters"), [(40, 28), (48, 32)])
@pytest.mark.benchmark(group="residual form with four neighbors against the dense reconstruction")
def test_residual(benchmark, side, clusters):
    tokens = 0.3 * random(1, side**2, 1024)
    refined, centers = random(1, clusters**2, 1024, seed=1), cluster(tokens, (side, side), (clusters, clusters))

    def ours():
        weights = reconstruction_weights(tokens, centers, neighbors=4, semantics="paper")
        return weights.residual(refined, tokens, centers)

    alternate(benchmark, ours, lambda: dense_reconstruction(refined, tokens, centers))
