"""How an encoder lays out its tokens between blocks, and how to get at them as a grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from hourglass.acceleration.windows import Grid

Others = tuple[int, int]


class Layout(Protocol):
    """A way to lay out a grid of H * W tokens of C channels, and other tokens before and behind it. Without state.

    ``others`` are the numbers of these: class, register and distillation tokens before the grid, say, and detection
    tokens behind it. They bypass both operators.
    """

    def shape(self, others: Others, grid: Grid) -> tuple[int, ...]:
        """What `shape_of` gives for tokens of this grid."""
        ...

    def shape_of(self, tokens: Tensor) -> tuple[int, ...]:
        """The part of a tensor's shape that depends on the grid."""
        ...

    def grid(self, tokens: Tensor, others: Others, grid: Grid) -> Tensor:
        """The tokens of the grid, (B, H, W, C)."""
        ...

    def laid_out(self, grid: Tensor, beside: Tensor, others: Others) -> Tensor:
        """(B, H, W, C) laid out, with the other tokens that `beside` has."""
        ...


class _Sequence:
    """(B, before + H * W + behind, C), the grid row by row."""

    def shape(self, others: Others, grid: Grid) -> tuple[int, ...]:
        return (others[0] + grid[0] * grid[1] + others[1],)

    def shape_of(self, tokens: Tensor) -> tuple[int, ...]:
        return tuple(tokens.shape[1:2])

    def grid(self, tokens: Tensor, others: Others, grid: Grid) -> Tensor:
        inside: Tensor = tokens[:, others[0] : tokens.shape[1] - others[1]].unflatten(1, grid)
        return inside

    def laid_out(self, grid: Tensor, beside: Tensor, others: Others) -> Tensor:
        before, behind = others
        parts = [grid.flatten(1, 2)]
        if before:
            parts.insert(0, beside[:, :before])
        if behind:
            parts.append(beside[:, -behind:])
        return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]


class _Rows:
    """(B, H, W, C)."""

    def shape(self, others: Others, grid: Grid) -> tuple[int, ...]:
        return grid

    def shape_of(self, tokens: Tensor) -> tuple[int, ...]:
        return tuple(tokens.shape[1:3])

    def grid(self, tokens: Tensor, others: Others, grid: Grid) -> Tensor:
        return tokens

    def laid_out(self, grid: Tensor, beside: Tensor, others: Others) -> Tensor:
        return grid


class _ChannelsFirst:
    """(B, C, H, W)."""

    def shape(self, others: Others, grid: Grid) -> tuple[int, ...]:
        return grid

    def shape_of(self, tokens: Tensor) -> tuple[int, ...]:
        return tuple(tokens.shape[2:4])

    def grid(self, tokens: Tensor, others: Others, grid: Grid) -> Tensor:
        return tokens.permute(0, 2, 3, 1)

    def laid_out(self, grid: Tensor, beside: Tensor, others: Others) -> Tensor:
        return grid.permute(0, 3, 1, 2).contiguous()


@dataclass(frozen=True)
class Frames:
    """(B, before + T * H * W + behind, C): T frames one after the other. Each is clustered by itself.

    Attributes:
        frames: T.
    """

    frames: int

    def shape(self, others: Others, grid: Grid) -> tuple[int, ...]:
        """See `Layout`."""
        return (others[0] + self.frames * grid[0] * grid[1] + others[1],)

    def shape_of(self, tokens: Tensor) -> tuple[int, ...]:
        """See `Layout`."""
        return tuple(tokens.shape[1:2])

    def grid(self, tokens: Tensor, others: Others, grid: Grid) -> Tensor:
        """The tokens of all frames, (B * T, H, W, C)."""
        height, width = grid
        whole = SEQUENCE.grid(tokens, others, (self.frames * height, width))
        single: Tensor = whole.unflatten(1, (self.frames, height)).flatten(0, 1)
        return single

    def laid_out(self, grid: Tensor, beside: Tensor, others: Others) -> Tensor:
        """See `Layout`."""
        whole = grid.unflatten(0, (-1, self.frames)).flatten(1, 2)
        return SEQUENCE.laid_out(whole, beside, others)


SEQUENCE: Layout = _Sequence()
ROWS: Layout = _Rows()
CHANNELS_FIRST: Layout = _ChannelsFirst()
