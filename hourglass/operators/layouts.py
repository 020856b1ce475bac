"""How tokens and centers of a tiled clustering are laid out, and how they get from one layout to the other.

Within a tile everything is a small dense matrix: (tile, slot of a center, place of a token), where the last place of
every tile is for the zero vector. But the softmax of a token runs over centers of several tiles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


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

    def centers(self, shares: Tensor, regions: Tensor) -> Tensor:
        """The sums of each tile's tokens, weighted with the shares of its slots, -> (B, centers, C)."""
        return shares @ regions


class Pairs(NamedTuple):
    """Where the pairs of a token and a center are in two layouts: by token, as a softmax needs them, and by tile.

    Attributes:
        outbound: (tokens * window), where each pair, listed by token, is in the layout by tile.
        outside: (tokens, window), minus infinity where the window sticks out of the grid, else 0.
        inbound: (tiles * slots * places), where each pair, listed by tile, is in the layout by token. Address 0 if the
            two never meet: the first center in the window of the first token is always outside the grid.
    """

    outbound: Tensor
    outside: Tensor
    inbound: Tensor

    def normalized(
        self, nearness: Tensor, tiles: int, scale: float | Tensor, normalize: Callable[..., Tensor]
    ) -> Tensor:
        """Normalizes scale * (B * tiles, slots, places) over the centers a token meets."""
        batch = nearness.shape[0] // tiles
        by_token = nearness.view(batch, -1).index_select(1, self.outbound).view(batch, *self.outside.shape)
        met = normalize(scaled(self.outside, by_token, scale), dim=2)
        return met.view(batch, -1).index_select(1, self.inbound).view_as(nearness)


class ManyTiles(NamedTuple):
    """Tiles whose regions overlap: logits travel to the tokens and come back as affinities, by known addresses.

    Attributes:
        pooling: (tiles, slots, places), the shares that average pooling gives the tokens in the centers.
        region: (tiles * places), the token in each place; any token in the last place of a tile.
        pairs: Where logits and affinities are.
        owned: (centers), the tile and slot, as one index, of each center.
        halves: Rows of tiles, if a tile shares the lower half of its region with the tile below; else 0.
    """

    pooling: Tensor
    region: Tensor
    pairs: Pairs
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
        return self.pairs.normalized(nearness, len(self.pooling), scale, normalize)

    def centers(self, shares: Tensor, regions: Tensor) -> Tensor:
        """The sums of each tile's tokens, weighted with the shares of its slots, -> (B, centers, C)."""
        tiles, slots, _ = self.pooling.shape
        formed = shares @ regions
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
