"""Half precision in and out, at least single precision in between."""

from __future__ import annotations

import pytest
import torch

from hourglass.operators import cluster, reconstruct

HALVES = [torch.bfloat16, torch.float16]


def flow(tokens, semantics="official", neighbors=20):
    centers = cluster(tokens, (20, 20), (17, 17), semantics=semantics)
    return centers, reconstruct(centers, tokens, centers, semantics=semantics, neighbors=neighbors)


@pytest.fixture
def tokens():
    # Norms like those of a large model's tokens: squares of them overflow half precision.
    return 20 * torch.randn(2, 400, 256, generator=torch.Generator().manual_seed(0)) + 100


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("semantics", ["official", "paper"])
def test_half_precision_is_finite_and_close(tokens, dtype, semantics, device):
    tokens = tokens.to(device=device, dtype=dtype)
    for half, single in zip(flow(tokens, semantics), flow(tokens.float(), semantics), strict=True):
        assert half.dtype == dtype
        assert half.isfinite().all()
        assert (half.float() - single).norm() <= 8 * torch.finfo(dtype).eps * single.norm()


@pytest.mark.parametrize("dtype", HALVES)
def test_copies_are_exact_in_half_precision(tokens, dtype):
    centers, copied = flow(tokens.to(dtype), neighbors=1)
    assert all(row in centers[0].tolist() for row in copied[0, :10].tolist())


def test_double_precision_stays(tokens):
    assert all(tensor.dtype == torch.float64 for tensor in flow(tokens.double()))


def test_the_result_has_the_dtype_of_what_is_reconstructed(tokens):
    centers = cluster(tokens.bfloat16(), (20, 20), (17, 17))
    assert reconstruct(centers.float(), tokens.bfloat16(), centers).dtype == torch.float32
    assert reconstruct(centers, tokens, centers.float()).dtype == torch.bfloat16


def test_mixed_precision_around_changes_nothing(tokens):
    expected = flow(tokens)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = flow(tokens)
    assert all(ours.equal(theirs) for ours, theirs in zip(inside, expected, strict=True))


def test_an_offset_common_to_all_tokens_costs_no_precision():
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randn(1, 400, 64, generator=generator)
    moved = tokens + 1024
    # The sums above are rounded to this grid; keep what they round to.
    tokens = moved - 1024
    centers, rebuilt = flow(tokens)
    torch.testing.assert_close(cluster(moved, (20, 20), (17, 17)) - 1024, centers, rtol=0, atol=2e-3)
    torch.testing.assert_close(reconstruct(centers, moved, centers + 1024), rebuilt, rtol=0, atol=2e-3)
