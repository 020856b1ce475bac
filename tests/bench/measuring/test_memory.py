"""Peak memory by hand on small programs."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hourglass.bench.measuring.memory import can_count, peak_bytes

pytestmark = pytest.mark.skipif(not can_count(), reason="memory cannot be counted in PyTorch 2.1")
KIB = 1024


def kib(count, device="cpu"):
    return torch.zeros(count * KIB, dtype=torch.uint8, device=device)


def test_what_is_freed_does_not_count_any_longer():
    def run():
        first = kib(10)
        second = first.clone()
        del first
        third = second.clone()
        del second
        return third.clone()

    assert peak_bytes(run) == 20 * KIB


def test_views_and_writes_in_place_are_free():
    def run():
        whole = kib(10)
        part = whole[: 5 * KIB].view(-1, 8)
        del whole
        part.add_(1)
        return part

    assert peak_bytes(run) == 10 * KIB


def test_what_was_there_before_does_not_count():
    before = kib(100)
    assert peak_bytes(lambda: before.view(-1, 4)[0].clone()) == 4


def test_the_meta_device_holds_nothing_but_is_counted():
    def run(device):
        return nn.Linear(64, 128, device=device)(torch.zeros(2, 64, device=device)).relu() + 1

    assert peak_bytes(lambda: run("meta")) == peak_bytes(lambda: run("cpu"))


def test_the_same_every_time():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3)).eval()
    image = torch.rand(1, 3, 16, 16)
    peaks = {peak_bytes(lambda: model(image)) for _ in range(3)}
    assert peaks == {2 * 8 * 14 * 14 * 4}
