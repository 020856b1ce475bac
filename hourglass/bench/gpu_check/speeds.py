"""How fast models and operators are beside their baseline: interleaved, in half precision, with a control."""

from __future__ import annotations

from copy import deepcopy
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import nn

from hourglass import acceleration
from hourglass.bench.gpu_check.device import card_of, graphed, kernels_of, peak_mib, timer_of
from hourglass.bench.gpu_check.subjects import Subject
from hourglass.bench.measuring.dense import dense_clustering, dense_reconstruction
from hourglass.bench.measuring.gpu_design import Form, Published, estimate, operators
from hourglass.bench.measuring.rounds import BASELINE, Samples, TimingBudget, interleave, speedup
from hourglass.bench.measuring.running import Runner, reproducible

HALF = torch.bfloat16
FORMS: tuple[Form, ...] = ("published", "residual")


def models_of(subject: Subject, device: torch.device) -> dict[str, nn.Module]:
    """The untouched model and one of each form, with the same random weights."""
    with reproducible(0), device:
        baseline = subject.build()
    baseline = baseline.to(device, HALF).eval()
    found = {BASELINE: baseline}
    for form, plan in subject.plans.items():
        found[form] = acceleration.apply(deepcopy(baseline), plan)
    return found


def model_speed(
    subject: Subject, device: torch.device, budget: TimingBudget, compiler: dict[str, Any] | None
) -> dict[str, Any]:
    """Latency at batch 1 and throughput of a model with both forms, in milliseconds and images per second.

    Args:
        subject: The model.
        device: Where.
        budget: Of each.
        compiler: Arguments of `torch.compile`; None for eager execution.
    """
    models: dict[str, Any] = dict(models_of(subject, device))
    attention = Runner(models[BASELINE], device, torch.float32).attention(_images(subject, 1, device))
    if compiler is not None:
        models = {name: torch.compile(model, **compiler) for name, model in models.items()}
    runners = {name: Runner(model, device, torch.float32) for name, model in models.items()}
    one, many = (_images(subject, batch, device) for batch in (1, subject.batch))
    runs = {name: partial(runner, one) for name, runner in runners.items()}
    single = interleave(runs, timer_of(device), budget)
    found: dict[str, Any] = {"precision": str(HALF).removeprefix("torch."), "attention": attention}
    found |= _ratios(single, subject.design, device, ("eager" if compiler is None else "graph"))
    found["kernels"] = {name: kernels_of(run, device) for name, run in runs.items()}
    if compiler is None:
        found["peak_mib"] = {name: peak_mib(run, device) for name, run in runs.items()}
        batches = {name: partial(runner, many) for name, runner in runners.items()}
        batched = interleave(batches, timer_of(device), budget)
        found["throughput"] = {name: subject.batch / median(seconds) for name, seconds in batched.items()}
        found["batch"] = subject.batch
        found["throughput_speedup"] = {form: _interval(batched, form) for form in FORMS}
    return found


def operator_speed(design: Published, device: torch.device, budget: TimingBudget) -> dict[str, Any]:
    """Clustering and reconstruction alone: both forms, eager and as a CUDA graph, and the authors' dense formula."""
    runs: dict[str, Any] = {BASELINE: _dense(design, device)}
    for form in FORMS:
        runs[form] = operators(design, form, device, HALF)
    with torch.inference_mode():
        kernels = {name: kernels_of(run, device) for name, run in runs.items()}
        for form in FORMS:
            runs[f"{form}, graph"] = graphed(runs[form], device)
        timed = interleave(runs, timer_of(device), budget)
    found: dict[str, Any] = {"latency_ms": {name: 1e3 * median(seconds) for name, seconds in timed.items()}}
    found["speedup"] = {name: _interval(timed, name) for name in timed if name != BASELINE}
    found["kernels"], card = kernels, card_of(device)
    if card is not None:
        on_paper = {form: estimate(design, form, card) for form in FORMS}
        found["estimated_ms"] = {form: 1e3 * known.eager for form, known in on_paper.items()}
        found["estimated_ms"] |= {f"{form}, graph": 1e3 * known.graph for form, known in on_paper.items()}
        found["estimated_kernels"] = {form: known.kernels[0] for form, known in on_paper.items()}
    return found


def _images(subject: Subject, batch: int, device: torch.device) -> torch.Tensor:
    return torch.rand(batch, 3, *subject.size, generator=torch.Generator().manual_seed(0)).to(device, HALF)


def _dense(design: Published, device: torch.device) -> Any:
    count, few = (height * width for height, width in (design.grid, design.clusters))
    tokens = torch.randn(design.windows, count, design.channels, device=device, dtype=HALF)
    refined = [torch.randn(design.windows, few, channels, device=device, dtype=HALF) for channels in design.maps]

    def run() -> object:
        centers = dense_clustering(tokens, design.grid, design.clusters, design.iterations)
        return [dense_reconstruction(values, tokens, centers, design.neighbors) for values in refined]

    return run


def _ratios(timed: Samples, design: Published, device: torch.device, execution: str) -> dict[str, Any]:
    latency = {name: 1e3 * median(seconds) for name, seconds in timed.items()}
    found: dict[str, Any] = {
        "latency_ms": latency,
        "speedup": {name: _interval(timed, name) for name in timed if name != BASELINE},
        "saved_ms": {form: latency[BASELINE] - latency[form] for form in FORMS},
    }
    if (card := card_of(device)) is not None:
        on_paper = {form: estimate(design, form, card) for form in FORMS}
        found["estimated_saved_ms"] = {
            form: 1e3 * (known.saved - getattr(known, execution)) for form, known in on_paper.items()
        }
    return found


def _interval(timed: Samples, name: str) -> list[float]:
    ratio = speedup(timed, name)
    return [ratio.low, ratio.value, ratio.high]
