"""Half precision in and out, at least single precision in between."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from hourglass.operators import cluster, reconstruct, reconstruction_weights, relative_temperature

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


class TensorFloat32(TorchDispatchMode):
    """Rounds what matrix products multiply to 10 bits, as tensor cores do where TF32 is allowed."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in ("mm", "bmm"):
            args = tuple(to_ten_bits(value) for value in args)
        elif name in ("addmm", "baddbmm"):
            args = (args[0], *(to_ten_bits(value) for value in args[1:]))
        return func(*args, **(kwargs or {}))


def to_ten_bits(values):
    bits = values.contiguous().view(torch.int32)
    return ((bits + 0x0FFF + ((bits >> 13) & 1)) & ~0x1FFF).view(torch.float32)


@pytest.mark.parametrize("scale", [1.0, 20.0])
def test_what_tensor_cores_round_is_less_than_half_precision(scale):
    generator = torch.Generator().manual_seed(0)
    smooth = F.interpolate(torch.randn(1, 128, 6, 6, generator=generator), size=(24, 24), mode="bicubic")
    image = scale * (1 + smooth + 0.3 * torch.randn(1, 128, 24, 24, generator=generator))
    tokens = image.flatten(2).transpose(1, 2)

    def flow():
        temperature = relative_temperature(tokens, (24, 24), (16, 16))
        centers = cluster(tokens, (24, 24), (16, 16), temperature=temperature)
        options = {"neighbors": 4, "temperature": temperature, "semantics": "paper"}
        return centers, reconstruction_weights(tokens, centers, **options).residual(1.1 * centers, tokens, centers)

    expected_centers, expected = flow()
    with TensorFloat32():
        centers, rebuilt = flow()
    assert not centers.equal(expected_centers)
    assert (centers - expected_centers).norm() < 0.03 * expected_centers.norm()
    assert (rebuilt - expected).norm() < torch.finfo(torch.bfloat16).eps / 2 * expected.norm()


class Factors(TorchDispatchMode):
    """Collects what matrix products and weighted sums multiply."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in ("mm", "bmm", "addmm", "baddbmm", "baddbmm_", "_embedding_bag", "_embedding_bag_forward_only"):
            self.seen += [value for value in args if isinstance(value, torch.Tensor) and value.is_floating_point()]
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("semantics", ["official", "paper"])
@pytest.mark.parametrize("clusters", [(4, 4), (10, 10), (17, 17)])
def test_weights_that_vanish_are_zero_and_never_denormal(clusters, semantics):
    # The least power of 2 that is no denormal number is -126, and all of exp(-200) to exp(0) occurs.
    tokens = 10 * torch.rand(1, 400, 8, generator=torch.Generator().manual_seed(0))
    with Factors() as factors:
        centers = cluster(tokens, (20, 20), clusters, temperature=2.0, semantics=semantics)
        reconstruct(centers, tokens, centers, temperature=2.0, semantics=semantics)
    least = torch.finfo(torch.float32).tiny
    assert len(factors.seen) > 10
    assert not any(((value != 0) & (value.abs() < least)).any() for value in factors.seen)
