"""Whether a plan fits an encoder, and where it starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from hourglass.acceleration.plan import Plan
from hourglass.acceleration.spec import EncoderSpec, WindowSpec, found


def locate(plan: Plan, depths: Sequence[int]) -> tuple[int, int]:
    """The stage, and the block in it, before which the tokens are clustered.

    Args:
        plan: The operating point.
        depths: Number of blocks of each stage.

    Returns:
        Index of the stage, index of the block in the stage.

    Raises:
        ValueError: `plan.start` is beyond the last block.
    """
    block = plan.start
    for stage, depth in enumerate(depths):
        if block < depth:
            return stage, block
        block -= depth
    total = sum(depths)
    raise ValueError(
        f"plan.start is {plan.start}, but the encoder has {total} blocks, of which at least one has to follow the "
        f"clustering: choose 0 to {total - 1}"
    )


def check(spec: EncoderSpec, encoder: nn.Module, plan: Plan, blocks: Sequence[Any]) -> None:
    """Refuses a plan that the encoder cannot take, or that would change nothing.

    Raises:
        ValueError: In one line that names the field.
    """
    if spec.grid is None and found(spec.root_of(encoder), spec.patches) is None:
        raise ValueError(
            f"{type(encoder).__name__} has no patch embedding by a known name ({', '.join(spec.patches)}), so the grid "
            "of its tokens is unknown"
        )
    used = [block + 1 for block in (*spec.taps(encoder), *spec.normed_taps(encoder))]
    if spec.taps_alone and used and plan.start >= max(used):
        raise ValueError(
            f"plan.start is {plan.start}, but {type(encoder).__name__} uses no feature map behind its first "
            f"{max(used)} blocks, so nothing would change: choose 0 to {max(used) - 1}"
        )
    if spec.windows is not None:
        _check_windows(spec.windows, encoder, plan, blocks)


def _check_windows(windows: WindowSpec, encoder: nn.Module, plan: Plan, blocks: Sequence[Any]) -> None:
    (rows, columns), (height, width) = plan.clusters, max(windows.size(block) for block in blocks)
    if height == 0:
        raise ValueError(
            f"every block of this {type(encoder).__name__} attends globally in the stage that plan.start {plan.start} "
            "is in, and the hourglass clusters in windows: choose another start, or an encoder that has some"
        )
    if rows > height or columns > width:
        raise ValueError(
            f"plan.clusters are {rows} x {columns}, but the attention windows hold {height} x {width} tokens: "
            "choose no more than these"
        )
    if windows.square and rows != columns:
        raise ValueError(
            f"plan.clusters are {rows} x {columns}, but the attention windows of this model can only be square: "
            "choose as many rows as columns"
        )
    if plan.reconstruct != "encoder":
        raise ValueError(
            f"plan.reconstruct is {plan.reconstruct!r}, but an encoder with attention windows reconstructs at the end "
            "of a stage: use reconstruct='encoder'"
        )
