"""What the device is, how long something takes on it, what it launches, and what it allocates."""

from __future__ import annotations

import platform
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from hourglass.bench.measuring.gpu_design import Card, card_named
from hourglass.bench.measuring.memory import can_count, peak_bytes
from hourglass.bench.measuring.provenance import package_versions
from hourglass.bench.measuring.rounds import Run, Timer, cpu_timer, cuda_timer

MEBI = 2**20


def conditions(device: torch.device) -> dict[str, Any]:
    """What was asked, and under which versions it answered."""
    on_gpu = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if on_gpu else platform.processor() or platform.machine(),
        "memory_gib": torch.cuda.get_device_properties(device).total_memory / 2**30 if on_gpu else None,
        "cuda": torch.version.cuda if on_gpu else None,
        "cudnn": torch.backends.cudnn.version() if on_gpu else None,
        "python": platform.python_version(),
        "packages": package_versions(),
    }


def card_of(device: torch.device) -> Card | None:
    """The card of the estimates that this device is; None if it is none of them."""
    return card_named(torch.cuda.get_device_name(device)) if device.type == "cuda" else None


def timer_of(device: torch.device) -> Timer:
    """Events of the device; on the CPU, the clock."""
    return cuda_timer() if device.type == "cuda" else cpu_timer()


def kernels_of(run: Run, device: torch.device) -> int | None:
    """How many kernels a run launches, counted by the profiler; None on the CPU."""
    if device.type != "cuda":
        return None
    run()
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        run()
        torch.cuda.synchronize()
    names = [event.name for event in seen.events() or [] if event.device_type.name == "CUDA"]
    return sum(not name.startswith(("Memcpy", "Memset")) for name in names)


def peak_mib(run: Run, device: torch.device) -> float | None:
    """The most that a run allocates on top of what is there before it."""
    if device.type != "cuda":
        return peak_bytes(run) / MEBI if can_count() else None
    run()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / MEBI


def graphed(run: Run, device: torch.device) -> Run:
    """The run as a CUDA graph, which launches everything at once; on the CPU, as it is.

    Raises:
        RuntimeError: It waits for the device, or copies from the CPU.
    """
    if device.type != "cuda":
        return run
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        kept = run()

    def replay() -> object:
        graph.replay()
        return kept

    return replay
