"""How tokens and centers of a tiled clustering are laid out, and how they get from one layout to the other.

Within a tile everything is a small dense matrix: (tile, slot of a center, place of a token), where the last place of
every tile is for the zero vector. But the softmax of a token runs over centers of several tiles.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from hourglass.operators.addresses import AxisAddresses
from hourglass.operators.tiling import Axis
from hourglass.operators.tracing import is_compiling


class OneTile(NamedTuple):
    """All tokens and all centers in one tile, in order: nothing needs to travel.

    Attributes:
        pooling: (1, slots, places), the shares that average pooling gives the tokens in the centers.
        apart: (slots, places - 1), minus infinity for a token and a center that never meet, else 0.
    """

    pooling: Tensor
    apart: Tensor

    def regions(self, rows: Tensor, zero: Tensor) -> Tensor:
        """(B, tokens, C) and (B, 1, C) -> (B * tiles, places, C)."""
        return torch.cat([rows, zero], dim=1)

    def gram(self, regions: Tensor) -> Tensor:
        """The inner products of the tokens of each region, (B * tiles, places, C) -> (B * tiles, places, places)."""
        return regions @ regions.transpose(1, 2)

    def normalized(
        self, nearness: Tensor, scale: float | Tensor, normalize: Callable[..., Tensor], nothing: float
    ) -> Tensor:
        """Normalizes scale * (B * tiles, slots, places) over the centers a token meets; `nothing` for the others."""
        met = normalize(scaled(self.apart, nearness[:, :, :-1], scale), dim=1)
        affinity: Tensor = F.pad(met, (0, 1), value=nothing)
        return affinity

    def centers(self, formed: Tensor) -> Tensor:
        """(B * tiles, slots, C) -> (B, centers, C)."""
        return formed


class ManyTiles(NamedTuple):
    """Tiles whose regions overlap: logits travel to the tokens and come back as affinities, by known addresses.

    Attributes:
        pooling: (tiles, slots, places), the shares that average pooling gives the tokens in the centers.
        region: (tiles * places), the token in each place; any token in the last place of a tile.
        outbound: (tokens * window), where each pair, listed by token, is in the layout by tile.
        outside: (tokens, window), minus infinity where the window sticks out of the grid, else 0.
        inbound: (tiles * slots * places), where each pair, listed by tile, is in the layout by token. Address 0 if the
            two never meet: the first center in the window of the first token is always outside the grid.
        owned: (centers), the tile and slot, as one index, of each center.
        halves: Rows of tiles, if a tile shares the lower half of its region with the tile below; else 0.
    """

    pooling: Tensor
    region: Tensor
    outbound: Tensor
    outside: Tensor
    inbound: Tensor
    owned: Tensor
    halves: int

    def regions(self, rows: Tensor, zero: Tensor) -> Tensor:
        """(B, tokens, C) and (B, 1, C) -> (B * tiles, places, C)."""
        tiles, _, places = self.pooling.shape
        regions = picked(rows, self.region).view(rows.shape[0], tiles, places, -1)
        regions[:, :, -1] = zero
        return regions.flatten(0, 1)

    def gram(self, regions: Tensor) -> Tensor:
        """The inner products of the tokens of each region, (B * tiles, places, C) -> (B * tiles, places, places)."""
        if not self.halves:
            return regions @ regions.transpose(1, 2)
        half = regions.shape[1] // 2
        lower = regions @ regions[:, half:].transpose(1, 2)
        # What a region shares with the one above has been multiplied there.
        tiles = len(self.pooling) // self.halves
        top = regions.view(-1, self.halves, tiles, *regions.shape[1:])[:, :1, :, :half]
        above = lower.view(-1, self.halves, tiles, *lower.shape[1:])[:, :-1, :, half : 2 * half, :half]
        upper = torch.cat([top @ top.transpose(3, 4), above], dim=1).flatten(0, 2)
        return torch.cat([torch.cat([upper, lower[:, :half].transpose(1, 2)], dim=1), lower], dim=2)

    def normalized(
        self, nearness: Tensor, scale: float | Tensor, normalize: Callable[..., Tensor], nothing: float
    ) -> Tensor:
        """Normalizes scale * (B * tiles, slots, places) over the centers a token meets; `nothing` for the others."""
        batch = nearness.shape[0] // self.pooling.shape[0]
        by_token = nearness.view(batch, -1).index_select(1, self.outbound).view(batch, *self.outside.shape)
        met = normalize(scaled(self.outside, by_token, scale), dim=2)
        return met.view(batch, -1).index_select(1, self.inbound).view_as(nearness)

    def centers(self, formed: Tensor) -> Tensor:
        """(B * tiles, slots, C) -> (B, centers, C)."""
        tiles, slots, _ = self.pooling.shape
        return picked(formed.view(formed.shape[0] // tiles, tiles * slots, -1), self.owned)


def scaled(mask: Tensor, nearness: Tensor, scale: float | Tensor) -> Tensor:
    """Adds scale * (B, ..., ...) to a mask; the scale may be a number for each batch element, (B,)."""
    if isinstance(scale, Tensor):
        return torch.addcmul(mask, nearness, scale[:, None, None])
    return torch.add(mask, nearness, alpha=scale)


def picked(rows: Tensor, which: Tensor) -> Tensor:
    """The same rows of every batch element, (B, N, C) -> (B, len(which), C); faster than `index_select` on a CPU."""
    batch, count, _ = rows.shape
    offsets = torch.arange(0, batch * count, count, dtype=which.dtype, device=which.device)
    return F.embedding(offsets[:, None] + which, rows.flatten(0, 1))


def layout(tiling: tuple[Axis, Axis], like: Tensor) -> OneTile | ManyTiles:
    """The layout of a tiling, on the device and with the precision of `like`.

    It is remembered in ordinary eager execution. A trace (compilation, export, fake tensors) gets its own, as part of
    its graph.
    """
    if not is_compiling() and type(like) is Tensor:
        with torch.inference_mode(False):
            return _remembered(tiling, like.dtype, like.device)
    return find_layout(tiling, like.dtype, like.device)


def find_layout(tiling: tuple[Axis, Axis], dtype: torch.dtype, device: torch.device) -> OneTile | ManyTiles:
    """Computes the layout of a tiling."""
    y, x = tiling
    rows, columns = AxisAddresses(y, device), AxisAddresses(x, device)
    count, window = y.tokens * x.tokens, y.window * x.window
    slots, places = y.side * x.side, y.length * x.length + 1
    size = y.tiles * x.tiles * slots * places

    pooling = F.pad(by_tile(torch.mul, rows.pooling(dtype), columns.pooling(dtype)), (0, 1))
    inbound = by_tile(
        torch.add,
        rows.inbound((x.tokens * window, x.window), missing=count * window),
        columns.inbound((window, 1), missing=count * window),
    )
    apart = inbound >= count * window
    if len(pooling) == 1:
        return OneTile(pooling, torch.where(apart[0], -torch.inf, 0.0).to(dtype))

    region = rows.region[:, None, :, None] * x.tokens + columns.region[:, None, :]
    outbound = (
        rows.outbound((x.tiles * slots * places, x.side * places, x.length), missing=size)[:, None, :, None]
        + columns.outbound((slots * places, places, 1), missing=size)[:, None, :]
    ).view(count, window)
    return ManyTiles(
        pooling,
        region=F.pad(region.reshape(-1, places - 1), (0, 1)).flatten().int(),
        outbound=outbound.clamp(max=size - 1).flatten().int(),
        outside=torch.where(outbound < size, 0.0, -torch.inf).to(dtype),
        inbound=F.pad(inbound.masked_fill(apart, 0), (0, 1)).flatten().int(),
        owned=(rows.owned((x.tiles * slots, x.side))[:, None] + columns.owned((slots, 1))).flatten().int(),
        halves=y.tiles if y.halves else 0,
    )


_remembered = lru_cache(maxsize=64)(find_layout)


def by_tile(combine: Callable[[Tensor, Tensor], Tensor], rows: Tensor, columns: Tensor) -> Tensor:
    """Combines the (tiles, side, length) tensors of the two axes to (tiles, slots, places)."""
    tiles, slots, places = (y * x for y, x in zip(rows.shape, columns.shape, strict=True))
    return combine(rows[:, None, :, None, :, None], columns[:, None, :, None, :]).reshape(tiles, slots, places)
