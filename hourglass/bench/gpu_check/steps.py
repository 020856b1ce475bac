"""The steps, in order of their worth: what a lease that ends early should have told comes first."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from hourglass.bench.gpu_check.accuracy import agreement, experiments
from hourglass.bench.gpu_check.checking import Step
from hourglass.bench.gpu_check.marked import marked_tests
from hourglass.bench.gpu_check.speeds import model_speed, operator_speed
from hourglass.bench.gpu_check.subjects import Subject, subjects, tiny_subjects
from hourglass.bench.measuring.rounds import TimingBudget

GRAPHS: dict[str, Any] = {"mode": "reduce-overhead"}
"""For `torch.compile`: fused kernels in a CUDA graph."""
BUDGET = TimingBudget(rounds=9, precision=0.01, seconds=1.5, most_rounds=100)
IMAGES = 16
"""Of an experiment, on the CPU and three times on the device."""


def all_steps(device: torch.device, data: Path) -> list[Step]:
    """What is asked of a GPU; the seconds are what a step needs at most on an A100."""
    first, *others = subjects()
    fast = partial(_speed, device=device, budget=BUDGET)
    return [
        fast(first, seconds=30),
        _operators(first, device, BUDGET),
        fast(first, seconds=120, compiler=GRAPHS),
        *(fast(subject, seconds=40) for subject in others),
        Step("tests", "marked gpu", 60, marked_tests),
        *_accuracies(device, data, IMAGES, 30),
        *(_operators(subject, device, BUDGET) for subject in others),
        *(fast(subject, seconds=120, compiler=GRAPHS) for subject in others),
    ]


def rehearsal(device: torch.device, data: Path) -> list[Step]:
    """The same on tiny models, with two images of one experiment, without the tests."""
    budget = TimingBudget(rounds=1, seconds=0, warm_up=1)
    tiny = tiny_subjects()
    return [
        *(_speed(subject, device=device, budget=budget, seconds=0) for subject in tiny),
        _speed(tiny[0], device=device, budget=budget, seconds=0, compiler={"backend": "eager"}),
        *(_operators(subject, device, budget) for subject in tiny),
        next(_accuracies(device, data, 2, 0)),
    ]


def _speed(
    subject: Subject,
    *,
    device: torch.device,
    budget: TimingBudget,
    seconds: float,
    compiler: dict[str, Any] | None = None,
) -> Step:
    execution = "eager" if compiler is None else "compiled"
    run = partial(model_speed, subject, device, budget, compiler)
    return Step("speed", f"{subject.name}, {execution}", seconds, run)


def _operators(subject: Subject, device: torch.device, budget: TimingBudget) -> Step:
    return Step("operators", subject.name, 0, partial(operator_speed, subject.design, device, budget))


def _accuracies(device: torch.device, data: Path, images: int, seconds: float) -> Iterator[Step]:
    for experiment in experiments():
        run = partial(agreement, experiment, device, data, images=images)
        yield Step("accuracy", f"{experiment.task}, {experiment.model}", seconds, run)
