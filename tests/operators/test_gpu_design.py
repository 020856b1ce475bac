"""Without a GPU: no index is left on the CPU, nothing waits, shapes are static, and a size is laid out once."""

from __future__ import annotations

import contextlib
import re

import pytest
import torch

from hourglass.operators import cluster, reconstruct, reconstruction_weights, relative_temperature
from hourglass.operators.placement import find_layout
from hourglass.operators.tiling import choose_tiling

from ..fake_cuda import OLD, Waits, fake_cuda

SIZES = {
    "many tiles": ((20, 21), (17, 18)),
    "halves": ((48, 48), (32, 32)),
    "one tile": ((12, 12), (8, 8)),
    "nothing to tile": ((12, 12), (1, 1)),
}
sizes = pytest.mark.parametrize(("grid", "clusters"), SIZES.values(), ids=SIZES)
dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])


def published(tokens, grid, clusters):
    centers = cluster(tokens, grid, clusters)
    few = min(20, clusters[0] * clusters[1])
    return reconstruct(centers, tokens, centers, neighbors=few), reconstruct(centers, tokens, centers, neighbors=1)


def residual(tokens, grid, clusters):
    temperature = relative_temperature(tokens, grid, clusters, windows=2)
    centers = cluster(tokens, grid, clusters, temperature=temperature, semantics="paper")
    options = {"neighbors": 4, "temperature": temperature, "semantics": "paper"}
    return (reconstruction_weights(tokens, centers, **options).residual(centers, tokens, centers),)


forms = pytest.mark.parametrize("form", [published, residual])


@dtypes
@forms
@sizes
def test_all_is_on_the_device_and_nothing_waits(grid, clusters, form, dtype):
    with fake_cuda() as waits:
        results = form(torch.empty(2, grid[0] * grid[1], 32, dtype=dtype, device="cuda"), grid, clusters)
    assert waits.found == []
    for result in results:
        assert result.device.type == "cuda"
        assert result.dtype == dtype
        assert result.shape == (2, grid[0] * grid[1], 32)


@forms
@sizes
def test_only_a_layout_is_copied_from_the_host(grid, clusters, form):
    tiling = choose_tiling(grid, clusters, 5, 32, 5)
    with fake_cuda() as layout:
        if tiling is not None:
            find_layout(tiling, torch.float32, torch.device("cuda"))
    with fake_cuda() as waits:
        form(torch.empty(2, grid[0] * grid[1], 32, device="cuda"), grid, clusters)
    assert waits.constants == layout.constants


@dtypes
@forms
@sizes
def test_a_size_is_laid_out_once(grid, clusters, form, dtype):
    tokens = torch.empty(2, grid[0] * grid[1], 32, dtype=dtype, device="meta")
    form(tokens, grid, clusters)
    with Waits("meta") as waits:
        form(tokens, grid, clusters)
    assert waits.found == []
    assert waits.constants == 0


@pytest.mark.skipif(OLD, reason="PyTorch 2.1 lacks backward formulas on the meta device")
@forms
@sizes
def test_backward_waits_for_nothing(grid, clusters, form):
    tokens = torch.empty(2, grid[0] * grid[1], 32, device="meta", requires_grad=True)
    sum(result.sum() for result in form(tokens, grid, clusters)).backward()
    with Waits("meta") as waits:
        sum(result.sum() for result in form(tokens, grid, clusters)).backward()
    assert waits.found == []


@pytest.mark.parametrize(
    ("wait", "reason"),
    [
        (lambda x: x.sum().item(), "_local_scalar_dense"),
        (lambda x: x.tolist(), "_local_scalar_dense|works on"),
        (lambda x: float(x[0, 0]), "_local_scalar_dense"),
        (lambda x: x.nonzero(), "nonzero"),
        (lambda x: x[x > 0], "index of booleans"),
        (lambda x: x[torch.tensor([0])], "index: works on cpu, cuda"),
        (lambda x: x.cpu(), "_to_copy: works on cpu, cuda"),
        (lambda x: torch.equal(x, x), "equal"),
        (lambda x: bool(x.isnan().any()), "_local_scalar_dense|is_nonzero"),
        (lambda x: x.masked_select(x > 0), "masked_select"),
    ],
)
def test_what_waits_is_found(wait, reason):
    with fake_cuda() as waits:
        x = torch.zeros(3, 3, device="cuda")
        with contextlib.suppress(Exception):  # Some of it cannot even be pretended.
            wait(x)
    assert any(re.search(reason, found) for found in waits.found)
