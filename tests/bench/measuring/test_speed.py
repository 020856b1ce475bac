"""Timing with an injected clock: what is run, in which order, and what is made of it."""

from __future__ import annotations

import gc

import pytest
import torch
from torch import nn

from hourglass.bench.measuring.running import Runner, example
from hourglass.bench.measuring.speed import (
    TimingBudget,
    cpu_timer,
    cuda_timer,
    interleave,
    measure_speed,
    summarise,
)
from hourglass.bench.storage.cores import available_cores


class Machine:
    """A clock that moves only when something runs, and remembers what ran."""

    def __init__(self):
        self.now, self.ran = 0.0, []

    def clock(self):
        return self.now

    def job(self, name, *seconds):
        """Takes each of these times in turn, then the last one for ever."""
        left = list(seconds)

        def run():
            self.ran.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return run


def test_contenders_take_turns_and_orders():
    machine = Machine()
    jobs = {name: machine.job(name, 1.0) for name in "abc"}
    budget = TimingBudget(rounds=3, seconds=0, window=1, warm_up=2)
    samples = interleave(jobs, cpu_timer(machine.clock), budget)
    assert "".join(machine.ran) == "abcbca" + "abcbcacab"
    assert samples == {name: [1.0] * 3 for name in "abc"}


def test_warm_up_lasts_until_all_are_stable_and_is_left_out():
    machine = Machine()
    jobs = {"quick": machine.job("quick", 1.0), "slow": machine.job("slow", 9.0, 5.0, 2.0)}
    budget = TimingBudget(rounds=2, seconds=0, window=1, tolerance=0.05, warm_up=10)
    samples = interleave(jobs, cpu_timer(machine.clock), budget)
    assert samples["slow"] == [2.0, 2.0]
    assert machine.ran.count("slow") == 4 + 2


def test_warm_up_ends_in_any_case():
    machine = Machine()
    jobs = {"restless": machine.job("restless", *(2.0**i for i in range(9)))}
    interleave(jobs, cpu_timer(machine.clock), TimingBudget(rounds=1, seconds=0, window=1, warm_up=5))
    assert len(machine.ran) == 6


def test_rounds_go_on_until_the_ratios_are_known():
    machine = Machine()
    steady = {name: machine.job(name, 0.1) for name in "ab"}
    budget = TimingBudget(rounds=3, precision=0.01, seconds=100, warm_up=0)
    assert len(interleave(steady, cpu_timer(machine.clock), budget)["a"]) == 3
    restless = {"a": machine.job("a", 0.1), "b": machine.job("b", *([0.1, 0.2] * 4), 0.1)}
    assert len(interleave(restless, cpu_timer(machine.clock), budget)["a"]) > 8


@pytest.mark.parametrize(("duration", "rounds"), [(0.1, 20), (5.0, 3), (0.001, 40)])
def test_rounds_end_when_time_is_up_within_limits(duration, rounds):
    machine = Machine()
    jobs = {"a": machine.job("a", duration), "b": machine.job("b", *[duration * f for f in (0.5, 1.5)] * 50)}
    budget = TimingBudget(rounds=3, precision=1e-6, seconds=1.995, most_rounds=40, warm_up=0)
    assert len(interleave(jobs, cpu_timer(machine.clock), budget)["a"]) == pytest.approx(rounds, abs=1)


def test_the_garbage_collector_waits_and_comes_back():
    seen = []
    with pytest.raises(ZeroDivisionError):
        interleave({"a": lambda: seen.append(gc.isenabled()) or 1 / 0}, cpu_timer(lambda: 0.0), TimingBudget())
    assert seen == [False]
    assert gc.isenabled()


def test_values_from_samples():
    single = {"baseline": [0.2, 0.4, 0.6], "method": [0.1, 0.2, 0.2], "control": [0.2, 0.4, 0.5]}
    values = summarise(single, {"baseline": [1.0, 1.0], "method": [0.5, 0.5]}, batch=4)
    assert values["latency_ms"] == 200
    assert (values["latency_ms_low"], values["latency_ms_high"]) == (100, 200)
    assert values["baseline_latency_ms"] == 400
    assert values["fps"] == 5
    assert (values["speedup_low"], values["speedup"], values["speedup_high"]) == pytest.approx((2, 2, 3))
    assert values["control"] == 1
    assert (values["throughput"], values["baseline_throughput"], values["throughput_speedup"]) == (8, 4, 2)


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


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_events_of_the_device_are_the_clock_on_cuda():
    x = torch.ones(2048, 2048, device="cuda")
    timer = cuda_timer()
    timer(lambda: x @ x)
    assert timer(lambda: [x @ x for _ in range(50)]) > timer(lambda: x @ x)
