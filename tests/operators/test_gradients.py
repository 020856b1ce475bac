"""What flows back: through the affinity on paper, around it officially."""

from __future__ import annotations

import pytest
import torch

from hourglass.operators import cluster, reconstruct
from hourglass.operators.clustering import cluster_dense
from hourglass.operators.clustering_local import cluster_local
from hourglass.operators.tiling import Tiling, considered, tilings

GRID, CLUSTERS = (4, 5), (3, 3)


def tokens(requires_grad=True):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 20, 3, generator=generator, dtype=torch.float64).requires_grad_(requires_grad)


def plain(inputs, semantics):
    return cluster_dense(inputs, GRID, CLUSTERS, 2, 3, 0.3, semantics)


def tiled(inputs, semantics):
    rows, columns = tilings(4, 3, 1), tilings(5, 3, 1)
    return cluster_local(inputs, Tiling(rows[0], columns[0]), 2, 0.3, semantics)


def gradient(function, *inputs):
    generator = torch.Generator().manual_seed(1)
    result = function(*inputs)
    return torch.autograd.grad((result * torch.randn(result.shape, generator=generator)).sum(), inputs)[0]


@pytest.mark.parametrize("form", [plain, tiled])
def test_paper_differentiates_the_whole_clustering(form):
    assert torch.autograd.gradcheck(lambda inputs: form(inputs, "paper"), tokens())


@pytest.mark.parametrize("form", [plain, tiled])
def test_official_holds_the_affinity_constant(form):
    inputs = tokens()
    # The centers are linear in the tokens then, so the directional derivative along the tokens is the centers.
    centers = form(inputs, "official")
    probe = torch.randn(centers.shape, generator=torch.Generator().manual_seed(2), dtype=centers.dtype)
    (slope,) = torch.autograd.grad((centers * probe).sum(), inputs)
    torch.testing.assert_close((slope * inputs).sum(), (centers * probe).sum())


@pytest.mark.parametrize("semantics", ["official", "paper"])
def test_tiles_that_share_half_of_their_tokens_have_the_same_gradient(semantics):
    inputs = torch.randn(2, 18 * 12, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    theirs = gradient(lambda t: cluster_dense(t, (18, 12), (12, 8), 2, 5, 0.3, semantics), inputs.requires_grad_())
    shared = [tiling for tiling in considered((18, 12), (12, 8), 2) if tiling.rows.halves or tiling.quartered]
    assert {tiling.quartered for tiling in shared} == {True, False}
    for tiling in shared:
        ours = gradient(lambda t, tiling=tiling: cluster_local(t, tiling, 2, 0.3, semantics), inputs)
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("semantics", ["official", "paper"])
def test_both_forms_have_the_same_gradient(semantics):
    ours, theirs = (gradient(lambda inputs, form=form: form(inputs, semantics), tokens()) for form in (plain, tiled))
    assert ours.abs().min() > 0
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("semantics", ["official", "paper"])
@pytest.mark.parametrize("centers", [9, 300])
def test_reconstruction_differentiates_all_it_is_given(centers, semantics):
    generator = torch.Generator().manual_seed(0)
    sizes = ((centers, 2), (3, 4), (centers, 4))
    inputs = [torch.randn(1, *size, generator=generator, dtype=torch.float64).requires_grad_() for size in sizes]

    def function(*arguments):
        return reconstruct(*arguments, neighbors=4, temperature=0.3, semantics=semantics)

    assert torch.autograd.gradcheck(function, inputs, fast_mode=centers > 9)


def test_a_copy_hands_the_gradient_to_the_copied():
    generator = torch.Generator().manual_seed(0)
    refined, centers = (torch.randn(1, 9, 3, generator=generator).requires_grad_() for _ in range(2))
    inputs = tokens(requires_grad=False)[:1].float()
    reconstruct(refined, inputs, centers, neighbors=1).sum().backward()
    copies = torch.cdist(inputs, centers).argmin(dim=2).flatten().bincount(minlength=9)
    torch.testing.assert_close(refined.grad[0], copies[:, None].expand(9, 3).float())
    assert centers.grad is None


def test_gradients_flow_in_half_precision():
    inputs = torch.randn(1, 400, 32, generator=torch.Generator().manual_seed(0)).bfloat16().requires_grad_()
    centers = cluster(inputs, (20, 20), (14, 14))
    reconstruct(centers, inputs, centers).sum().backward()
    assert inputs.grad.dtype == torch.bfloat16
    assert inputs.grad.isfinite().all()
    assert inputs.grad.abs().sum() > 0


def test_what_inference_mode_left_behind_serves_training():
    inputs = torch.randn(1, 221, 4, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        cluster(inputs, (13, 17), (7, 9))
    inputs.requires_grad_()
    cluster(inputs, (13, 17), (7, 9)).sum().backward()
    torch.testing.assert_close(inputs.grad.sum(), torch.tensor(4.0 * 63))
