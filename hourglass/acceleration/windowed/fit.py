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
    raise ValueError(
        f"plan.start must be at most {sum(depths) - 1} for an encoder of {sum(depths)} blocks, got {plan.start}"
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
            f"plan.clusters must fit into the attention windows of {height} x {width} tokens, got {rows} x {columns}"
        )
    if square and rows != columns:
        raise ValueError(f"plan.clusters must be square, as this model's attention windows are, got {rows} x {columns}")
    if plan.reconstruct != "encoder":
        raise ValueError(
            f"plan.reconstruct must be 'encoder' for a model with attention windows, got {plan.reconstruct!r}"
        )
