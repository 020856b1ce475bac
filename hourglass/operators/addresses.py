"""Where a pair of a token and a center lives in the two layouts of a tiled clustering: by tile, and by token.

By tile: (tile, slot, place), a center of the tile and a token of its region. By token: (token, window), a token and a
center of the window around its cell. An address is an index into the flattened layout. It is always the sum of a row
part and a column part, and the functions here give the part of one axis; `strides` say what a step along each dimension
of the layout is worth.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hourglass.operators.tiling import Axis


class AxisAddresses:
    """The part of one axis in the addresses."""

    def __init__(self, axis: Axis, device: torch.device) -> None:
        """Puts the plan of the axis on the device."""

        def integers(values: tuple[int, ...] | range) -> Tensor:
            return torch.tensor(values, device=device)

        self.axis = axis
        self.first = integers(axis.first)
        self.start = integers(axis.start)
        self.owner = integers(axis.owner)
        self.cell = integers(axis.cell)
        # A region may stick out of the grid, where there is no token.
        place = self.start[:, None] + integers(range(axis.length))
        self.outside = ((place < 0) | (place >= axis.tokens))[:, None, :]
        self.region = place.clamp(0, axis.tokens - 1)
        self.slot_centers = self.first[:, None, None] + integers(range(axis.side))[:, None]
        self.token = integers(range(axis.tokens))
        self.center = integers(range(axis.centers))
        self.offsets = integers(range(-axis.reach, axis.reach + 1))

    def outbound(self, strides: tuple[int, int, int], missing: int) -> Tensor:
        """(tokens, window): the address by (tile, slot, place); `missing` for a center outside the grid."""
        center = self.cell[:, None] + self.offsets
        tile = self.owner[center.clamp(0, self.axis.centers - 1)]
        slot = center - self.first[tile]
        place = self.token[:, None] - self.start[tile]
        address = tile * strides[0] + slot * strides[1] + place * strides[2]
        return address.masked_fill((center < 0) | (center >= self.axis.centers), missing)

    def inbound(self, strides: tuple[int, int], missing: int) -> Tensor:
        """(tiles, side, length): the address by (token, window); `missing` for a center outside the window."""
        token = self.region[:, None, :]
        offset = self.slot_centers - self.cell[token] + self.axis.reach
        address = token * strides[0] + offset * strides[1]
        return address.masked_fill(self.outside | (offset < 0) | (offset >= self.axis.window), missing)

    def pooling(self, dtype: torch.dtype) -> Tensor:
        """(tiles, side, length): one over the size of the center's pooling bin for the tokens in it, else 0."""
        begin = self.slot_centers * self.axis.tokens // self.axis.centers
        end = -(-(self.slot_centers + 1) * self.axis.tokens // self.axis.centers)
        token = self.region[:, None, :]
        return (~self.outside & (token >= begin) & (token < end)).to(dtype) / (end - begin)

    @property
    def halves(self) -> Tensor:
        """(tiles + 1, length / 2): tokens of each half of a region, where every tile begins half a region further."""
        half = self.axis.length // 2
        return torch.cat([self.region[:, :half], self.region[-1:, half:]])

    def owned(self, strides: tuple[int, int]) -> Tensor:
        """(centers): the address by (tile, slot)."""
        return self.owner * strides[0] + (self.center - self.first[self.owner]) * strides[1]
