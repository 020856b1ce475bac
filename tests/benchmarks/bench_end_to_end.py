"""A whole model the authors' way and this project's: ViT-L/16 at 640 x 640 (Segmenter), one plan, random weights.

The authors' way is explicit attention and dense operators. What is possible is what the plan would give if clustering
and reconstruction took no time: their time is taken while they run.
"""

from __future__ import annotations

import copy
import time
from types import SimpleNamespace
from unittest.mock import patch

import pytest
import torch

import hourglass
from hourglass.acceleration import clustering
from hourglass.bench.measuring.dense import dense_clustering, dense_weights
from hourglass.bench.models.full_size import segmenter_ade20k
from hourglass.operators.observe import observing

from .alternating import alternate, quartiles

PLAN = hourglass.Plan(10, (28, 28), form="published", reconstruct="decoder")
ROUNDS = 3
pytestmark = pytest.mark.filterwarnings("ignore:plan.temperature")


@pytest.fixture(autouse=True)
def _without_gradients():
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def images():
    return torch.rand(1, 3, 640, 640, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def models(images):
    torch.manual_seed(0)
    baseline = segmenter_ade20k().eval()
    shared = {id(parameter): parameter for parameter in baseline.parameters()}
    ours, theirs = (hourglass.apply(copy.deepcopy(baseline, dict(shared)), PLAN) for _ in range(2))
    for module in theirs.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = False
    with torch.no_grad():
        expected = theirs(images)
        found = by_dense_operators(theirs, images)
    assert torch.dist(found, expected) <= 1e-2 * expected.norm()
    return SimpleNamespace(baseline=baseline, ours=ours, theirs=theirs)


def by_dense_operators(model, images):
    def weights(tokens, centers, *, neighbors, temperature, semantics):
        found = dense_weights(tokens, centers, neighbors, temperature)
        return lambda refined: found @ refined

    def centers(tokens, grid, clusters, *, iterations, window, temperature, semantics):
        return dense_clustering(tokens, grid, clusters, iterations, window, temperature)

    with patch.object(clustering, "cluster", centers), patch.object(clustering, "reconstruction_weights", weights):
        return model(images)


@pytest.mark.benchmark(group="a model beside the authors' way")
def test_the_authors_way(benchmark, models, images):
    alternate(benchmark, lambda: models.ours(images), lambda: by_dense_operators(models.theirs, images), rounds=ROUNDS)


@pytest.mark.benchmark(group="a model beside its baseline")
def test_the_baseline(benchmark, models, images):
    begun, inside, whole = [], [], []

    def clock(moment, call):
        if moment == "begin":
            begun.append(time.perf_counter())
        else:
            inside[-1] += time.perf_counter() - begun.pop()

    def ours():
        inside.append(0.0)
        begin = time.perf_counter()
        with observing(clock):
            models.ours(images)
        whole.append(time.perf_counter() - begin)

    alternate(benchmark, ours, lambda: models.baseline(images), rounds=ROUNDS)
    free = [total - operators for total, operators in zip(whole, inside, strict=True)]
    benchmark.extra_info["realised_of_possible"] = quartiles(free, whole)
