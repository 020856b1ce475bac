"""Whether a process keeps its memory while it is timed, and gives it back afterwards."""

from __future__ import annotations

import platform
import resource

import pytest
import torch

from hourglass.bench.measuring import allocation
from hourglass.bench.measuring.allocation import kept_memory

MANY = 16 << 20
"""Numbers in a tensor of 64 MiB, which the C library gives back to the kernel when it is freed."""


def faults(passes: int = 4) -> int:
    """Pages that the kernel had to bring for some uses of a large tensor, after a warm-up."""
    for number in range(2 + passes):
        if number == 2:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.zeros(MANY).add_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_no_page_is_cleared_again_within_it_and_all_are_afterwards():
    usual = faults()
    with kept_memory():
        kept = faults()
    assert kept < usual / 20
    assert faults() > usual / 2


def test_with_another_c_library_nothing_changes(monkeypatch):
    monkeypatch.setattr(allocation.platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(allocation.ctypes, "CDLL", lambda _: pytest.fail("asked for glibc"))
    with kept_memory():
        pass
