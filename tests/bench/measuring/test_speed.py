"""What is made of timed rounds, on an injected clock."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hourglass.bench.measuring.rounds import TimingBudget
from hourglass.bench.measuring.running import Runner, example
from hourglass.bench.measuring.speed import measure_speed, summarise
from hourglass.bench.storage.cores import available_cores

from ...fake_clock import Machine


def test_values_from_samples():
    single = {"baseline": [0.2, 0.4, 0.6], "method": [0.1, 0.1, 0.6], "control": [0.2, 0.4, 0.6]}
    values = summarise(single, {"baseline": [1.0, 1.0], "method": [0.5, 0.5], "control": [1.0, 1.0]}, batch=4)
    assert values["latency_ms"] == 100
    assert (values["latency_ms_low"], values["latency_ms_high"]) == (100, 600)
    assert values["baseline_latency_ms"] == 400
    assert values["fps"] == 10
    assert (values["speedup_low"], values["speedup"], values["speedup_high"]) == pytest.approx((1, 2, 4))
    assert values["control"] == 1
    assert (values["throughput"], values["baseline_throughput"], values["throughput_speedup"]) == pytest.approx(
        (8, 4, 2)
    )


class Fake(nn.Module):
    """A model that takes as long as it is told."""

    def __init__(self, machine, seconds):
        super().__init__()
        self.machine, self.seconds, self.batches = machine, seconds, []

    def forward(self, images):
        self.batches.append(tuple(images.shape))
        self.machine.now += self.seconds * len(images)
        return images


def test_methods_are_timed_beside_one_baseline():
    machine = Machine()
    baseline, half, quarter = (
        Runner(Fake(machine, seconds), torch.device("cpu"), torch.float32) for seconds in (0.4, 0.2, 0.1)
    )
    quick = TimingBudget(rounds=2, seconds=0, warm_up=1)

    def images(batch):
        return example((24, 32), batch)

    methods = {"half": half, "quarter": quarter}
    found = measure_speed(baseline, methods, images, 3, clock=machine.clock, latency=quick, throughput=quick)
    assert found["quarter"]["values"]["speedup"] == pytest.approx(4)
    assert found["quarter"]["samples"]["latency_s"]["baseline"] == found["half"]["samples"]["latency_s"]["baseline"]
    measured = found["half"]
    assert measured["samples"]["timed_together"] == ["half", "quarter"]
    assert measured["values"]["speedup"] == pytest.approx(2)
    assert measured["values"]["control"] == pytest.approx(1)
    assert measured["values"]["throughput"] == pytest.approx(5)
    assert len(measured["samples"]["latency_s"]["control"]) == 2
    assert measured["conditions"]["threads"] == available_cores()
    assert set(baseline.model.batches) == {(1, 3, 24, 32), (3, 3, 24, 32)}
