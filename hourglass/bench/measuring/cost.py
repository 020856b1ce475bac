"""What a case computes and holds: parameters, multiply-accumulates and memory of one image. The same on every run."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from hourglass.bench import models
from hourglass.bench.measuring.conventions import convention_of, regions
from hourglass.bench.measuring.macs import count_macs
from hourglass.bench.measuring.memory import can_count, peak_bytes
from hourglass.bench.measuring.running import build, device_named, example, reproducible, threads
from hourglass.bench.measuring.types import Result
from hourglass.bench.suites.suite import Case

GIGA, MEBI = 1e9, 2**20


def cost(case: Case, data_root: Path | None = None, *, device: str | None = None) -> Result:
    """Count what a case costs for one image of the size the model is timed on.

    Args:
        case: What to measure.
        data_root: Folder of the prepared data sets, to take the image from; None makes one up.
        device: Where to run; None for the CPU, and for a model whose weights do not come with the project for the meta
            device, where operations are counted without being computed. Other frameworks' models cannot run there.

    Raises:
        UserError: As `running.build`.
    """
    if device is None:
        card = models.card(case.model)
        device = "cpu" if card.artifact is None or card.backend else "meta"
    with threads(1), reproducible(case.seed):
        runner = build(case, device_named(device))
        images = example(case, 1, data_root).to(runner.device)
        if device != "meta":
            runner(images)  # what a model keeps from its first run belongs to no run
        values, uncounted = cost_of(runner.model, images)
        attention = runner.attention(images) if device != "meta" else None
    return {
        "values": values,
        "samples": {"uncounted_operators": uncounted, "image_size": list(images.shape[-2:])},
        "conditions": {"device": device, "threads": 1, "attention": attention, "data": None},
    }


def cost_of(model: nn.Module, images: Tensor) -> tuple[dict[str, float | int | None], dict[str, int]]:
    """Cost of one forward pass, and the operators that were taken to be free of multiply-accumulates.

    Works on the meta device too, where nothing is computed; what is allocated depends on the kernels that run, and is
    not known there, nor in PyTorch 2.1.

    Args:
        model: With or without a method applied.
        images: What it takes.
    """
    counter = count_macs(lambda: model(images), regions(model))
    convention = convention_of(model)
    published = convention.macs(counter)
    weights = sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
    countable = can_count() and not images.is_meta
    activations = peak_bytes(lambda: model(images)) / MEBI if countable else None
    values: dict[str, float | int | None] = {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "gmacs_executed": counter.macs / GIGA,
        "gmacs_operators": sum(event.macs for event in counter.events if event.call) / GIGA,
        "gmacs_published": published / GIGA,
        "gflops_published": published * convention.flops_per_mac / GIGA,
        "weights_mib": weights / MEBI,
        "activations_mib": activations,
        "peak_memory_mib": None if activations is None else weights / MEBI + activations,
    }
    return values, counter.uncounted
