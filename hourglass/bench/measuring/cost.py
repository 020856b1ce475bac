"""What a case computes and holds: parameters, multiply-accumulates and memory of one image. The same on every run."""

from __future__ import annotations

from torch import Tensor, nn

from hourglass.bench.measuring.conventions import convention_of, regions
from hourglass.bench.measuring.macs import count_macs
from hourglass.bench.measuring.memory import can_count, peak_bytes
from hourglass.bench.measuring.running import Runner, reproducible, threads
from hourglass.bench.measuring.types import Result

GIGA, MEBI = 1e9, 2**20


def measure_cost(runner: Runner, images: Tensor, *, seed: int = 0) -> Result:
    """Count what one forward pass costs.

    Args:
        runner: On the meta device, operations are counted without being computed.
        images: One of the size the model is timed on, (1, 3, H, W) float32 in [0, 1], on the runner's device.
        seed: Of models that are random.
    """
    with threads(1), reproducible(seed):
        # Before the others, as what a model keeps from its first run belongs to no run.
        attention = None if images.is_meta else runner.attention(images)
        values, uncounted = cost_of(runner.model, images)
    return {
        "values": values,
        "samples": {"uncounted_operators": uncounted, "image_size": list(images.shape[-2:])},
        "conditions": runner.conditions(threads=1, attention=attention, data=None),
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
