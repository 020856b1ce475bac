"""Whether a process keeps its memory while it is timed, and gives it back afterwards."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

from hourglass.bench.measuring import allocation
from hourglass.bench.measuring.allocation import kept_memory

LARGE = """
import json, resource
from pathlib import Path

import torch
from hourglass.bench.measuring.allocation import kept_memory

SIZE = 64 << 20  # bytes: the C library gives a block of so many back to the kernel when it is freed

def faults():
    "Pages that the kernel had to bring for one use of a large tensor, the least over some."
    counts = []
    for _ in range(6):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.zeros(SIZE // 4).add_(1)
        counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    return min(counts)

def resident():
    "Resident memory of this process, in large tensors."
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / SIZE

usual = faults()
with kept_memory():
    kept = faults()
    held = resident()
print(json.dumps({"usual": usual, "kept": kept, "given back": held - resident()}))
"""
"""Run in a process of its own: one that has free memory already, as after other tests, brings no page in any case."""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_no_page_is_cleared_again_within_it_and_all_are_given_back_afterwards():
    done = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, check=True)
    seen = json.loads(done.stdout)
    assert seen["kept"] < seen["usual"] / 20
    assert seen["given back"] > 0.9


def test_with_another_c_library_nothing_changes(monkeypatch):
    monkeypatch.setattr(allocation.platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(allocation.ctypes, "CDLL", lambda _: pytest.fail("asked for glibc"))
    with kept_memory():
        pass
