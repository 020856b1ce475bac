"""Rounds with an injected clock: what is run, in which order, how long, and what ratio comes out."""

from __future__ import annotations

import gc

import pytest
import torch

from hourglass.bench.measuring.rounds import (
    BASELINE,
    CONTROL,
    TimingBudget,
    cpu_timer,
    cuda_timer,
    interleave,
    speedup,
)
from hourglass.bench.measuring.statistics import Interval

from ...fake_clock import Machine


def jobs(machine, **seconds):
    return {name: machine.job(name, *times) for name, times in seconds.items()}


@pytest.mark.parametrize(
    ("others", "forwards"),
    [("a", "_a_"), ("ab", "_ab_"), ("abcd", "a_bc_d"), ("abcdefgh", "ab_cdef_gh")],
)
def test_no_contender_is_far_from_the_baseline_and_every_other_round_goes_backwards(others, forwards):
    machine = Machine()
    contenders = {name: machine.job("_" if name == BASELINE else name, 1.0) for name in (BASELINE, *others)}
    budget = TimingBudget(rounds=3, seconds=0, warm_up=2)
    samples = interleave(contenders, cpu_timer(machine.clock), budget)
    assert "".join(machine.ran) == (forwards + forwards[::-1]) * 2 + forwards
    assert samples == {name: [1.0] * 3 for name in (BASELINE, CONTROL, *others)}


def test_warm_up_lasts_until_all_are_stable_and_is_left_out():
    machine = Machine()
    contenders = jobs(machine, baseline=[1.0], slow=[9.0, 5.0, 2.0])
    budget = TimingBudget(rounds=2, seconds=0, tolerance=0.05, warm_up=10)
    samples = interleave(contenders, cpu_timer(machine.clock), budget)
    assert samples["slow"] == [2.0, 2.0]
    assert machine.ran.count("slow") == 4 + 2


def test_warm_up_ends_in_any_case():
    machine = Machine()
    contenders = jobs(machine, baseline=[1.0], restless=[2.0**i for i in range(9)])
    interleave(contenders, cpu_timer(machine.clock), TimingBudget(rounds=1, seconds=0, warm_up=5))
    assert machine.ran.count("restless") == 6


def test_rounds_go_on_until_the_ratios_are_known():
    machine = Machine()
    budget = TimingBudget(rounds=3, precision=0.01, seconds=100, warm_up=0)
    steady = interleave(jobs(machine, baseline=[0.1], a=[0.1]), cpu_timer(machine.clock), budget)
    assert len(steady["a"]) == 3
    restless = jobs(machine, baseline=[0.1], a=[*[0.1, 0.2] * 4, 0.1])
    assert len(interleave(restless, cpu_timer(machine.clock), budget)["a"]) > 8


@pytest.mark.parametrize(("duration", "rounds"), [(0.1, 20), (5.0, 3), (0.001, 40)])
def test_rounds_end_when_time_is_up_within_limits(duration, rounds):
    machine = Machine()
    contenders = jobs(machine, baseline=[duration], a=[duration * (0.5 + number * 0.618 % 1) for number in range(100)])
    budget = TimingBudget(rounds=3, precision=1e-6, seconds=1.995, most_rounds=40, warm_up=0)
    assert len(interleave(contenders, cpu_timer(machine.clock), budget)["a"]) == pytest.approx(rounds, abs=1)


def test_the_baseline_of_a_round_is_the_mean_of_its_two_runs():
    samples = {"baseline": [1.0, 2.0, 4.0], "control": [4.0, 2.0, 1.0], "a": [2.0, 1.0, 0.5]}
    assert speedup(samples, "a") == approximately(1, 2, 4)
    assert speedup(samples, "control") == approximately(0.25, 1, 4)
    del samples["control"]
    assert speedup(samples, "a").value == pytest.approx(2)


def approximately(*ends):
    return Interval(*(pytest.approx(end) for end in ends))


def test_the_garbage_collector_waits_and_comes_back():
    seen = []
    with pytest.raises(ZeroDivisionError):
        interleave({BASELINE: lambda: seen.append(gc.isenabled()) or 1 / 0}, cpu_timer(lambda: 0.0), TimingBudget())
    assert seen == [False]
    assert gc.isenabled()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_events_of_the_device_are_the_clock_on_cuda():
    x = torch.ones(2048, 2048, device="cuda")
    timer = cuda_timer()
    timer(lambda: x @ x)
    assert timer(lambda: [x @ x for _ in range(50)]) > timer(lambda: x @ x)
