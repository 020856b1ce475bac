"""Tiles whose regions are two by two of the same quarters, so that no product of two tokens is made twice.

For the eager form on a CPU. Neighboring quarters lie side by side in memory, so a product of a quarter and its
neighbors is one batched multiplication of overlapping views: no region is ever copied.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from hourglass.operators.layouts import Pairs, picked


class Quarters(NamedTuple):
    """See `layouts.ManyTiles`, which computes the same.

    Attributes:
        pooling: (tiles, slots, places), the shares that average pooling gives the tokens in the centers. The places of
            a tile are the tokens of its four quarters, row by row, and the zero vector.
        grid: Rows and columns of quarters, one more each than there are of tiles.
        tokens: (quarters * size), the tokens of each quarter, and one quarter more of any tokens.
        pairs: Where logits and affinities are.
        owned: (centers), the tile and slot, as one index, of each center.
    """

    pooling: Tensor
    grid: tuple[int, int]
    tokens: Tensor
    pairs: Pairs
    owned: Tensor

    @property
    def size(self) -> int:
        """Tokens of a quarter."""
        return self.pooling.shape[2] // 4

    def regions(self, rows: Tensor, zero: Tensor) -> Tensor:
        """(B, tokens, C) and (B, 1, C) -> (B, (quarters + 1) * size, C), the zero vector in the last place."""
        quarters = picked(rows, self.tokens)
        quarters[:, -1:] = zero
        return quarters

    def gram(self, regions: Tensor) -> Tensor:
        """The inner products of the tokens of each tile, -> (B * tiles, places, places)."""
        flat = regions.reshape(-1, self.size, regions.shape[2])
        # Each quarter with itself and the one on its right, and with the three below it.
        beside = self._on_grid(flat[:-1] @ _runs(flat, 2).transpose(1, 2))
        columns = self.grid[1]
        below = self._on_grid(flat[: -columns - 1] @ _runs(flat, 3)[columns - 1 :].transpose(1, 2))[:, :-1]
        zero = (regions @ regions[:, -1:].transpose(1, 2)).flatten(0, 1).unflatten(0, (-1, self.size))
        zero, own = self._on_grid(zero), slice(self.size)
        to_zero = [zero[:, :-1, :-1], zero[:, :-1, 1:], zero[:, 1:, :-1], zero[:, 1:, 1:]]
        left, middle, right = below.split(self.size, dim=4)
        blocks = [
            (0, 0, beside[:, :-1, :-1, :, own]),
            (0, 1, beside[:, :-1, :-1, :, self.size :]),
            (0, 2, middle[:, :, :-1]),
            (0, 3, right[:, :, :-1]),
            (1, 1, beside[:, :-1, 1:, :, own]),
            (1, 2, left[:, :, 1:]),
            (1, 3, middle[:, :, 1:]),
            (2, 2, beside[:, 1:, :-1, :, own]),
            (2, 3, beside[:, 1:, :-1, :, self.size :]),
            (3, 3, beside[:, 1:, 1:, :, own]),
            *((quarter, 4, products) for quarter, products in enumerate(to_zero)),
            (4, 4, regions[:, -1].square().sum(dim=1)[:, None, None, None, None]),
        ]
        places = self.pooling.shape[2]
        gram = beside.new_empty(*right[:, :, 1:].shape[:3], places, places)
        for row, column, products in blocks:
            rows, columns_ = (slice(at * self.size, (at + 1) * self.size) for at in (row, column))
            gram[..., rows, columns_] = products
            if row != column:
                gram[..., columns_, rows] = products.transpose(3, 4)
        return gram.flatten(0, 2)

    def normalized(
        self, nearness: Tensor, scale: float | Tensor, normalize: Callable[..., Tensor], nothing: float
    ) -> Tensor:
        """Normalizes scale * (B * tiles, slots, places) over the centers a token meets; `nothing` for the others."""
        return self.pairs.normalized(nearness, len(self.pooling), scale, normalize)

    def centers(self, shares: Tensor, regions: Tensor) -> Tensor:
        """The sums of each tile's tokens, weighted with the shares of its slots, -> (B, centers, C)."""
        batch, (rows, columns) = len(regions), self.grid
        pairs = _runs(regions.reshape(-1, self.size, regions.shape[2]), 2)
        upper, lower = shares[:, :, : 2 * self.size], shares[:, :, 2 * self.size : -1]
        tiles, formed = 0, []
        for image in range(batch):
            for row in range(rows - 1):
                first = image * (rows * columns + 1) + row * columns
                of_row = slice(tiles, tiles := tiles + columns - 1)
                above, below = (pairs[at : at + columns - 1] for at in (first, first + columns))
                formed.append((upper[of_row] @ above).baddbmm_(lower[of_row], below))
        zeros = shares[:, :, -1].reshape(batch, -1).index_select(1, self.owned)
        found = picked(torch.cat(formed).view(batch, -1, regions.shape[2]), self.owned)
        return torch.addcmul(found, zeros[:, :, None], regions[:, -1:])

    def _on_grid(self, products: Tensor) -> Tensor:
        """(quarters and more, ...) of all images, some missing at the end, -> (B, rows, columns, ...)."""
        rows, columns = self.grid
        missing = -len(products) % (rows * columns + 1)
        whole: Tensor = F.pad(products, (0, 0, 0, 0, 0, missing)).unflatten(0, (-1, rows * columns + 1))
        on_grid: Tensor = whole[:, :-1].unflatten(1, (rows, columns))
        return on_grid


def _runs(quarters: Tensor, length: int) -> Tensor:
    """(n, size, C) -> (n - length + 1, length * size, C), so many consecutive ones each; a view."""
    return quarters.unfold(0, length, 1).permute(0, 3, 1, 2).flatten(1, 2)
