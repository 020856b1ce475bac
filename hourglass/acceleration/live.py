"""The stage that is accelerated, as it is now: a model may change after `apply`."""

from __future__ import annotations

from typing import Any

from torch import nn

from hourglass.acceleration.layouts import Others
from hourglass.acceleration.spec import EncoderSpec
from hourglass.acceleration.state import Stretch
from hourglass.acceleration.windows import Grid


class LiveStage:
    """One stage of an encoder, read anew whenever it is asked for.

    Attributes:
        spec: Of the encoder.
        encoder: That has it.
        index: Which of its stages.
        first: Index of the first deep block, in the stage.
        blocks: Of the stage when the hourglass was put into it.
    """

    def __init__(self, spec: EncoderSpec, encoder: nn.Module, index: int, first: int) -> None:
        """See the attributes."""
        self.spec, self.encoder, self.index, self.first = spec, encoder, index, first
        self.module, self.blocks = spec.stages_of(encoder)[index]

    def present(self) -> list[Any]:
        """The blocks that are there now: those there were or the first of them, without wrappers.

        Raises:
            ValueError: There are others.
        """
        _, blocks = self.spec.stages_of(self.encoder)[self.index]
        known = self.blocks[: len(blocks)]
        if len(blocks) <= self.first or len(blocks) > len(known):
            raise ValueError(self.changed())
        for block, before in zip(blocks[self.first :], known[self.first :], strict=True):
            if block is not before and all(module is not before for module in block.modules()):
                raise ValueError(self.changed())
        return known

    def depths(self) -> list[int]:
        """Numbers of blocks of all stages of the encoder."""
        return [len(blocks) for _, blocks in self.spec.stages_of(self.encoder)]

    def stretch(self) -> Stretch:
        """Where it lies in the encoder."""
        depths = self.depths()
        return Stretch(sum(depths[: self.index]), sum(depths))

    def others(self, block: int, start: int) -> tuple[Others, dict[int, int]]:
        """Tokens beside the grid in a block of the stage, and those that join later, by block.

        Args:
            block: Counted from the start of the stage.
            start: Blocks of the encoder before it.
        """
        root = self.spec.root_of(self.encoder)
        before, behind = self.spec.others(root)
        joins = {at - start: number for at, number in self.spec.joins(root).items()}
        before += sum(number for at, number in joins.items() if at <= block)
        return (before, behind), {at: number for at, number in joins.items() if at > block}

    def window(self, blocks: list[Any]) -> Grid | None:
        """Rows and columns of the attention windows of these blocks; None if they attend globally by design."""
        if self.spec.windows is None:
            return None
        return max([self.spec.windows.size(block) for block in blocks])

    def changed(self) -> str:
        """What to say when the encoder is not the one it was."""
        return (
            f"the blocks or the final norm of {type(self.encoder).__name__} are others than they were: call "
            "hourglass.remove(model) and apply again"
        )
