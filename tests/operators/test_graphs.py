"""The operators inside compiled, exported and pretended computations."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from hourglass.operators import cluster, reconstruct, reconstruction_weights, relative_temperature

OLD = not hasattr(torch.export, "Dim")
whole_graphs = pytest.mark.skipif(OLD, reason="PyTorch 2.1 compiles in pieces, and exports no dynamic shapes")


class Flow(nn.Module):
    def __init__(self, semantics: str = "official", neighbors: int = 20) -> None:
        super().__init__()
        self.semantics = semantics
        self.neighbors = neighbors

    def forward(self, tokens):
        centers = cluster(tokens, (20, 21), (17, 18), iterations=2, semantics=self.semantics)
        few = centers[:, :100]
        return (
            reconstruct(centers.tanh(), tokens, centers, neighbors=self.neighbors, semantics=self.semantics),
            reconstruct(few.tanh(), tokens, few, neighbors=self.neighbors, semantics=self.semantics),
        )


def batch(size, seed=0):
    return torch.randn(size, 420, 8, generator=torch.Generator().manual_seed(seed))


def assert_same(ours, expected):
    for left, right in zip(ours, expected, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-4)


@pytest.fixture(autouse=True)
def _fresh_compiler():
    torch.compiler.reset()


@pytest.mark.parametrize(("semantics", "neighbors"), [("official", 20), ("paper", 20), ("official", 1)])
def test_one_graph(semantics, neighbors):
    flow = Flow(semantics, neighbors)
    compiled = torch.compile(flow, fullgraph=not OLD, backend="aot_eager")
    assert_same(compiled(batch(2)), flow(batch(2)))


@pytest.mark.slow
@whole_graphs
def test_one_graph_with_gradients_and_another_batch():
    flow = Flow()
    compiled = torch.compile(flow, fullgraph=True, backend="aot_eager")
    for size in (2, 3):
        gradients = []
        for function in (compiled, flow):
            tokens = batch(size).requires_grad_()
            sum(result.square().sum() for result in function(tokens)).backward()
            gradients.append(tokens.grad)
        torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-3)


@whole_graphs
def test_one_graph_whose_grid_follows_the_image():
    def pool(image):
        height, width = image.shape[2:]
        return cluster(image.flatten(2).transpose(1, 2), (height, width), (height // 2, width // 2), iterations=1)

    compiled = torch.compile(pool, fullgraph=True, backend="aot_eager")
    for side in (8, 10, 12):
        image = torch.randn(1, 4, side, side + 1, generator=torch.Generator().manual_seed(side))
        torch.testing.assert_close(compiled(image), pool(image))


@whole_graphs
@pytest.mark.slow
def test_generated_code():
    flow = Flow()
    assert_same(torch.compile(flow, fullgraph=True)(batch(3)), flow(batch(3)))


@pytest.mark.slow
@whole_graphs
@pytest.mark.parametrize("semantics", ["official", "paper"])
def test_export(semantics):
    flow = Flow(semantics)
    exported = torch.export.export(flow, (batch(2),), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},))
    assert_same(exported.module()(batch(5)), flow(batch(5)))


def test_pretended_tensors_leave_nothing_behind():
    with FakeTensorMode():
        pretended = Flow()(torch.empty(2, 420, 8))
    assert [tuple(tensor.shape) for tensor in pretended] == [(2, 420, 8)] * 2
    assert all(tensor.isfinite().all() for tensor in Flow()(batch(2)))
    with FakeTensorMode():
        Flow()(torch.empty(2, 420, 8))


def test_the_meta_device_has_the_shapes():
    assert [tuple(tensor.shape) for tensor in Flow()(batch(2).to("meta"))] == [(2, 420, 8)] * 2


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:.*torch.jit.trace:FutureWarning")
def test_a_trace_of_the_old_kind_whose_sizes_are_tensors():
    def flow(image):
        grid, tokens = image.shape[2:], image.flatten(2).transpose(1, 2)
        temperature = relative_temperature(tokens, grid, (5, 6))
        centers = cluster(tokens, grid, (5, 6), temperature=temperature)
        weights = reconstruction_weights(tokens, centers, temperature=temperature, semantics="paper")
        return weights(centers.tanh()), weights.residual(centers.tanh(), tokens, centers)

    images = [torch.randn(size, 8, 20, 21, generator=torch.Generator().manual_seed(size)) for size in (2, 3)]
    traced = torch.jit.trace(flow, (images[0],), check_trace=False)
    assert_same(traced(images[1]), flow(images[1]))
