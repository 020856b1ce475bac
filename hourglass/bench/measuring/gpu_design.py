"""What the operators cost on a GPU beside the blocks that they save: an estimate on paper, from published rates.

Kernels, bytes and multiply-accumulates are counted on the meta device. A kernel takes as long as its arithmetic, its
traffic, or the time that a GPU needs to get any kernel done, whichever is longest. `docs/gpu-design.md` has the table
and says what it rests on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

import torch

from hourglass.bench.measuring.launches import Launch, launches
from hourglass.operators import cluster, reconstruction_weights, relative_temperature

Form = Literal["published", "residual"]

LAUNCH = 5e-6
"""Seconds that PyTorch needs on the CPU to launch one operator, when it runs eagerly."""
SHORTEST = 2e-6
"""Seconds that any kernel takes, when launches are recorded in a CUDA graph."""
ARITHMETIC, TRAFFIC = 0.6, 0.8
"""The parts of the published rates that large kernels reach."""


@dataclass(frozen=True)
class Card:
    """Published peak rates of a GPU, without sparsity.

    Attributes:
        name: What it is sold as.
        half: Operations per second of tensor cores, in half precision.
        tensor_single: The same for float32 inputs rounded to TF32.
        single: Operations per second of float32 without tensor cores.
        bandwidth: Bytes per second.
    """

    name: str
    half: float
    tensor_single: float
    single: float
    bandwidth: float


CARDS = (
    Card("A100 SXM 80 GB", half=312e12, tensor_single=156e12, single=19.5e12, bandwidth=2.039e12),
    Card("H100 SXM 80 GB", half=989e12, tensor_single=495e12, single=67e12, bandwidth=3.35e12),
)
_NOT_IN_THE_TABLE = (replace(CARDS[1], name="H200", bandwidth=4.8e12),)


def card_named(name: str) -> Card | None:
    """The card that a driver calls by this name; None if its rates are not known here."""
    return next((card for card in (*CARDS, *_NOT_IN_THE_TABLE) if card.name.split()[0] in name), None)


@dataclass(frozen=True)
class Published:
    """A published plan at batch 1.

    Attributes:
        name: Model and input.
        windows: How many windows are clustered; 1 in a plain encoder.
        grid: Tokens of a window.
        clusters: Of a window.
        channels: Of the tokens.
        attended: Blocks that run on clusters, and how many windows' tokens their attention sees at once.
        iterations: Of the clustering.
        neighbors: Of the reconstruction.
        maps: Feature maps that are rebuilt, and their channels.
    """

    name: str
    windows: int
    grid: tuple[int, int]
    clusters: tuple[int, int]
    channels: int
    attended: tuple[tuple[int, int], ...]
    iterations: int
    neighbors: int
    maps: tuple[int, ...]


PLANS = (
    Published("Segmenter ViT-L/16, 640 x 640", 1, (40, 40), (28, 28), 1024, ((14, 1),), 5, 20, (150,)),
    Published("DPT-Hybrid, 352 x 1216", 1, (22, 76), (20, 20), 768, ((7, 1),), 5, 1, (768, 768)),
    Published("Swin-L stage 3, 800 x 1333", 35, (12, 12), (8, 8), 768, ((12, 1),), 3, 25, (768,)),
    Published("SAM ViT-H, 1024 x 1024", 25, (14, 14), (9, 9), 1280, ((22, 1), (4, 25)), 5, 20, (1280,)),
)


def block_macs(windows: int, tokens: int, channels: int, attended: int) -> int:
    """Of a transformer block with an MLP of four times the width: 12 N D^2, and 2 D for each pair that attends."""
    count = windows * tokens
    return 12 * count * channels**2 + 2 * count * attended * tokens * channels


def saved_macs(plan: Published) -> int:
    """What the blocks do less on clusters than on tokens."""
    total = 0
    for blocks, attended in plan.attended:
        before, after = (
            block_macs(plan.windows, height * width, plan.channels, attended)
            for height, width in (plan.grid, plan.clusters)
        )
        total += blocks * (before - after)
    return total


def operators(plan: Published, form: Form, device: torch.device, dtype: torch.dtype) -> Callable[[], object]:
    """What runs clustering and reconstruction on random tokens, in the published or the residual form (k = 4)."""
    count, few = (height * width for height, width in (plan.grid, plan.clusters))
    tokens = torch.randn(plan.windows, count, plan.channels, device=device, dtype=dtype)
    refined = [torch.randn(plan.windows, few, channels, device=device, dtype=dtype) for channels in plan.maps]

    def published() -> object:
        centers = cluster(tokens, plan.grid, plan.clusters, iterations=plan.iterations)
        weights = reconstruction_weights(tokens, centers, neighbors=plan.neighbors)
        return [weights(values) for values in refined]

    def residual() -> object:
        temperature = relative_temperature(tokens, plan.grid, plan.clusters, windows=plan.windows)
        centers = cluster(tokens, plan.grid, plan.clusters, iterations=plan.iterations, temperature=temperature)
        weights = reconstruction_weights(tokens, centers, neighbors=4, temperature=temperature, semantics="paper")
        return [weights.residual(centers, tokens, centers) for _ in refined]

    return published if form == "published" else residual


def operator_launches(plan: Published, form: Form) -> list[Launch]:
    """What they launch."""
    return launches(operators(plan, form, torch.device("meta"), torch.float32))


def device_seconds(found: list[Launch], card: Card, rate: float) -> float:
    """One kernel after the other, as a CUDA graph replays them, at a rate of the matrix products."""
    return sum(
        launch.kernels
        * max(
            SHORTEST,
            launch.bytes / launch.kernels / (TRAFFIC * card.bandwidth),
            2 * launch.macs / launch.kernels / (ARITHMETIC * rate),
        )
        for launch in found
    )


def eager_seconds(found: list[Launch], card: Card, rate: float) -> float:
    """As PyTorch runs them: no faster than the CPU launches them."""
    return max(LAUNCH * sum(launch.kernels for launch in found), device_seconds(found, card, rate))


def fused(found: list[Launch]) -> list[Launch]:
    """What is left if all between two matrix products (or selections) is one kernel, as compilers and Triton can do.

    Such a kernel reads and writes at most what its widest part does.
    """
    result: list[Launch] = []
    between: list[Launch] = []

    def close() -> None:
        if between:
            result.append(Launch("fused", 1, max(part.bytes for part in between), 0))
            between.clear()

    for launch in found:
        if launch.macs or launch.operator == "topk":
            close()
            result.append(launch)
        else:
            between.append(launch)
    close()
    return result


@dataclass(frozen=True)
class Estimate:
    """What a plan costs and saves on a card.

    Attributes:
        kernels: That its operators launch, and how many are left when they are fused.
        saved: Seconds of blocks.
        eager: Seconds of the operators as PyTorch runs them.
        graph: The same in a CUDA graph.
        tensor: The same in TF32.
        fused: The same with what is between matrix products in one kernel.
    """

    kernels: tuple[int, int]
    saved: float
    eager: float
    graph: float
    tensor: float
    fused: float


def estimate(plan: Published, form: Form, card: Card) -> Estimate:
    """What a plan costs and saves on a card, on paper."""
    found = operator_launches(plan, form)
    few = fused(found)
    return Estimate(
        kernels=(sum(launch.kernels for launch in found), sum(launch.kernels for launch in few)),
        saved=2 * saved_macs(plan) / (ARITHMETIC * card.half),
        eager=eager_seconds(found, card, card.single),
        graph=device_seconds(found, card, card.single),
        tensor=device_seconds(found, card, card.tensor_single),
        fused=device_seconds(few, card, card.tensor_single),
    )


def table() -> str:
    """The table of the document, in Markdown."""
    lines = [
        "| plan | form | card | blocks save | kernels: eager, fused | eager | graph | graph, TF32 | fused, TF32 |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    forms: tuple[Form, ...] = ("published", "residual")
    for plan, form, card in product(PLANS, forms, CARDS):
        on_paper = estimate(plan, form, card)
        costs = (on_paper.eager, on_paper.graph, on_paper.tensor, on_paper.fused)
        shares = " | ".join(f"{1e3 * cost:.2f} ({cost / on_paper.saved:.0%})" for cost in costs)
        kernels = f"{on_paper.kernels[0]}, {on_paper.kernels[1]}"
        name = card.name.split()[0]
        lines.append(f"| {plan.name} | {form} | {name} | {1e3 * on_paper.saved:.2f} | {kernels} | {shares} |")
    return "\n".join(lines)
