"""Whether a plan fits a windowed encoder, and where it starts."""

from __future__ import annotations

from collections.abc import Sequence

from hourglass.acceleration.plan import Plan
from hourglass.acceleration.windowed.windows import Size


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


def check(plan: Plan, window: Size, *, square: bool) -> None:
    """Refuses a plan that the attention windows cannot take.

    Args:
        plan: The operating point.
        window: Rows and columns of the attention windows.
        square: Whether the framework's windows always are.

    Raises:
        ValueError: In one line that names the field.
    """
    (rows, columns), (height, width) = plan.clusters, window
    if rows > height or columns > width:
        raise ValueError(
            f"plan.clusters are {rows} x {columns}, but the attention windows hold {height} x {width} tokens: "
            "choose no more than these"
        )
    if square and rows != columns:
        raise ValueError(
            f"plan.clusters are {rows} x {columns}, but the attention windows of this model can only be square: "
            "choose as many rows as columns"
        )
    if plan.reconstruct != "encoder":
        raise ValueError(
            f"plan.reconstruct is {plan.reconstruct!r}, but an encoder with attention windows reconstructs at the end "
            "of a stage: use reconstruct='encoder'"
        )
