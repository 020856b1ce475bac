"""Where a pair of a token and a center lives in the two layouts of `clustering_local`: by tile, and by token.

By tile: (tile, slot, place), a center of the tile and a token of its region, whose last place is the zero vector.
By token: (token, window), a token and a center of the window around its cell.
An address is an index into the flattened layout.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from hourglass.operators.tiling import Axis


class Addresses(NamedTuple):
    """What `cluster_local` looks up; all of it depends on the sizes alone.

    Attributes:
        region: (tiles * places): the token in each place; the number of tokens stands for the zero vector.
        outbound: (tokens * window): where each pair, listed by token, is in the layout by tile.
        outside: (tokens, window): minus infinity where the window sticks out of the grid, else 0.
        inbound: (tiles * slots * places): where each pair, listed by tile, is in the layout by token; one past
            its end if they do not meet.
        pooling: (tiles, slots, places): the shares that average pooling gives the tokens in the centers.
        owned: (centers): the tile and slot, as one index, of each center.
    """

    region: Tensor
    outbound: Tensor
    outside: Tensor
    inbound: Tensor
    pooling: Tensor
    owned: Tensor


def addresses(tiling: tuple[Axis, Axis], like: Tensor) -> Addresses:
    """The addresses of a tiling, on the device and with the precision of `like`.

    They are remembered in ordinary eager execution. A trace (compilation, export, fake tensors) gets its own, as part
    of its graph.
    """
    if type(like) is Tensor and not torch.compiler.is_compiling():
        with torch.inference_mode(False):
            return _remembered(tiling, like.dtype, like.device)
    return find_addresses(tiling, like.dtype, like.device)


def find_addresses(tiling: tuple[Axis, Axis], dtype: torch.dtype, device: torch.device) -> Addresses:
    """Computes the addresses: each is the sum of a row part and a column part."""
    y, x = tiling
    rows, columns = AxisAddresses(y, device), AxisAddresses(x, device)
    count, slots, places = y.tokens * x.tokens, y.side * x.side, y.length * x.length + 1
    window = y.window * x.window
    size = y.tiles * x.tiles * slots * places

    region = rows.region[:, None, :, None] * x.tokens + columns.region[:, None, :]
    outbound = (
        rows.outbound((x.tiles * slots * places, x.side * places, x.length), missing=size)[:, None, :, None]
        + columns.outbound((slots * places, places, 1), missing=size)[:, None, :]
    ).view(count, window)
    inbound = by_tile(
        torch.add,
        rows.inbound((x.tokens * window, x.window), missing=count * window),
        columns.inbound((window, 1), missing=count * window),
    ).clamp(max=count * window)
    return Addresses(
        region=F.pad(region.reshape(-1, places - 1), (0, 1), value=count).flatten(),
        outbound=outbound.clamp(max=size - 1).flatten(),
        outside=torch.where(outbound < size, 0.0, -torch.inf).to(dtype),
        inbound=F.pad(inbound, (0, 1), value=count * window).flatten(),
        pooling=F.pad(by_tile(torch.mul, rows.pooling(dtype), columns.pooling(dtype)), (0, 1)),
        owned=(rows.owned((x.tiles * slots, x.side))[:, None] + columns.owned((slots, 1))).flatten(),
    )


_remembered = lru_cache(maxsize=64)(find_addresses)


def by_tile(combine: Callable[[Tensor, Tensor], Tensor], rows: Tensor, columns: Tensor) -> Tensor:
    """Combines the (tiles, side, length) tensors of the two axes to (tiles, slots, places)."""
    tiles, slots, places = (y * x for y, x in zip(rows.shape, columns.shape, strict=True))
    return combine(rows[:, None, :, None, :, None], columns[:, None, :, None, :]).reshape(tiles, slots, places)


class AxisAddresses:
    """The part of one axis in the addresses; `strides` say what a step along each dimension of a layout is worth."""

    def __init__(self, axis: Axis, device: torch.device) -> None:
        def integers(values: tuple[int, ...] | range) -> Tensor:
            return torch.tensor(values, dtype=torch.int32, device=device)

        self.axis = axis
        self.first = integers(axis.first)
        self.start = integers(axis.start)
        self.owner = integers(axis.owner)
        self.cell = integers(axis.cell)
        self.region = self.start[:, None] + integers(range(axis.length))
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
        return address.masked_fill((offset < 0) | (offset >= self.axis.window), missing)

    def pooling(self, dtype: torch.dtype) -> Tensor:
        """(tiles, side, length): one over the size of the center's pooling bin for the tokens in it, else 0."""
        begin = self.slot_centers * self.axis.tokens // self.axis.centers
        end = -(-(self.slot_centers + 1) * self.axis.tokens // self.axis.centers)
        token = self.region[:, None, :]
        return ((token >= begin) & (token < end)).to(dtype) / (end - begin)

    def owned(self, strides: tuple[int, int]) -> Tensor:
        """(centers): the address by (tile, slot)."""
        return self.owner * strides[0] + (self.center - self.first[self.owner]) * strides[1]
