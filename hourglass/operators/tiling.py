"""How a grid is cut into tiles of centers, each with the region of tokens that can reach them.

Plain integers that depend on the sizes alone: shapes stay static whatever the tokens are. One axis is planned at a
time, because both the cells and the pooling bins of a grid are products of its two axes.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from operator import index
from typing import NamedTuple

# The cost model's weights in multiply-accumulates, from timing both forms on a CPU: what it costs to move an element of
# a region, and to pass an entry (a token and a center) through an iteration. They only choose among equal results.
GATHER = 160
LOCAL_ENTRY = 200
DENSE_ENTRY = 600
# Of quarters: their products with five others, of small matrices, in sizes of a region; what it costs to put an entry
# of the Gram matrix into its place; and what a call costs.
QUARTER = 1.6
GRAM_ENTRY = 60
CALL = 500_000

# A region longer than this along an axis never pays, unless the region is the whole axis.
LONGEST_REGION = 64


class Axis(NamedTuple):
    """One axis of the grid, cut into tiles of centers.

    Tile `t` looks at the tokens `start[t]` to `start[t] + length - 1` and has room for the centers `first[t]` to
    `first[t] + side - 1`; it answers for those of them that it owns, whose tokens are all within its region.
    """

    tokens: int
    centers: int
    reach: int
    side: int
    length: int
    first: tuple[int, ...]
    start: tuple[int, ...]
    owner: tuple[int, ...]
    cell: tuple[int, ...]

    @property
    def tiles(self) -> int:
        """How many tiles there are."""
        return len(self.first)

    @property
    def halves(self) -> bool:
        """Whether the second half of each tile's tokens is the first half of the next one's."""
        return self.tiles > 1 and all(2 * start == tile * self.length for tile, start in enumerate(self.start))

    @property
    def window(self) -> int:
        """How many centers a token can meet."""
        return 2 * self.reach + 1


class Tiling(NamedTuple):
    """Both axes of the grid.

    Attributes:
        rows: How they are cut.
        columns: Likewise.
        quartered: Whether the regions of four neighbors share quarters: every tile begins half a region further.
    """

    rows: Axis
    columns: Axis
    quartered: bool = False


def choose_tiling(
    grid: tuple[int, int],
    clusters: tuple[int, int],
    window: int,
    channels: int,
    iterations: int,
    quarters: bool = False,
) -> Tiling | None:
    """The cheapest tiling, or None where the dense form is cheaper or there is nothing to do.

    Args:
        grid: As of `clustering.cluster`; likewise `clusters`, `window` and `iterations`.
        clusters: See there.
        window: See there.
        channels: Of the tokens.
        iterations: See there.
        quarters: Whether regions may share quarters.
    """
    # A trace may hold sizes as symbols; `index` turns them into the numbers that a plan needs.
    height, width, rows, columns = map(index, (*grid, *clusters))
    return _constant_tiling(height, width, rows, columns, index(window), index(channels), index(iterations), quarters)


def _constant_tiling(
    height: int, width: int, rows: int, columns: int, window: int, channels: int, iterations: int, quarters: bool
) -> Tiling | None:
    """A compiler takes the result as it is, instead of tracing the search."""
    return cheapest_tiling((height, width), (rows, columns), window // 2, channels, iterations, quarters)


# As `torch.compiler.assume_constant_result` would, which imports the whole compiler: a second for every process.
_constant_tiling._dynamo_marked_constant = True  # type: ignore[attr-defined]


@lru_cache(maxsize=1024)
def cheapest_tiling(
    grid: tuple[int, int], clusters: tuple[int, int], reach: int, channels: int, iterations: int, quarters: bool
) -> Tiling | None:
    """`choose_tiling` on numbers."""
    if reach == 0 or clusters == (1, 1):
        return None  # Every token meets one center: the layouts count on windows that stick out of the grid.
    tokens = math.prod(grid)
    cheapest: float = iterations * tokens * math.prod(clusters) * (2 * channels + DENSE_ENTRY)
    best = None
    for tiling in considered(grid, clusters, reach, quarters):
        rows, columns, _ = tiling
        region, slots = rows.length * columns.length, rows.side * columns.side
        entries = rows.tiles * columns.tiles * region * slots
        cost: float = entries * (channels + iterations * (region + LOCAL_ENTRY))
        cost += tokens * iterations * rows.window * columns.window * LOCAL_ENTRY
        if tiling.quartered:
            places = (rows.tiles + 1) * (columns.tiles + 1) * region // 4
            cost += places * channels * (QUARTER * region + GATHER) + 2 * rows.tiles * CALL
            cost += rows.tiles * columns.tiles * region**2 * GRAM_ENTRY
        else:
            cost += rows.tiles * columns.tiles * region * channels * (region + GATHER)
        if cost < cheapest:
            cheapest, best = cost, tiling
    return best


def considered(grid: tuple[int, int], clusters: tuple[int, int], reach: int, quarters: bool = True) -> Iterator[Tiling]:
    """All tilings worth considering; those that share quarters only if `quarters`."""
    axes = [(*sizes, min(reach, sizes[1] - 1)) for sizes in zip(grid, clusters, strict=True)]
    for axes_of in (tilings, half_tilings)[: 1 + quarters]:
        for rows, columns in product(*(axes_of(*axis) for axis in axes)):
            yield Tiling(rows, columns, axes_of is half_tilings)


@lru_cache(maxsize=1024)
def tilings(tokens: int, centers: int, reach: int) -> tuple[Axis, ...]:
    """The tilings of one axis worth considering: for each number and size of tiles, that with the shortest regions."""
    cell = cells(tokens, centers)
    begin, end = reached(cell, centers, reach)
    shortest = max(e - b for b, e in zip(begin, end, strict=True))
    found: dict[tuple[int, int], Axis] = {}
    for length in [*range(shortest, min(tokens, LONGEST_REGION)), tokens]:
        first = cut(begin, end, length, side=centers)
        # As few places for centers as the tiles need: those at the border of the grid could hold more than the others.
        side = next(side for side in range(1, centers + 1) if len(cut(begin, end, length, side)) == len(first))
        first = cut(begin, end, length, side)
        owner = tuple(bisect_right(first, center) - 1 for center in range(centers))
        start = tuple(min(begin[center], tokens - length) for center in first)
        found.setdefault(
            (len(first), side), Axis(tokens, centers, reach, side, length, tuple(first), start, owner, cell)
        )
    return tuple(found.values())


@lru_cache(maxsize=1024)
def half_tilings(tokens: int, centers: int, reach: int) -> tuple[Axis, ...]:
    """The tilings of one axis in which every tile begins half a region further, and may stick out of the grid."""
    cell = cells(tokens, centers)
    begin, end = reached(cell, centers, reach)
    found = []
    for half in range(1, min(tokens, LONGEST_REGION) // 2 + 1):
        least = -(-tokens // half) - 1
        for tiles in (least, least + 1):
            before = ((tiles + 1) * half - tokens) // 2
            start = tuple(tile * half - before for tile in range(tiles))
            fits = [
                [tile for tile, at in enumerate(start) if at <= begin[center] and end[center] <= at + 2 * half]
                for center in range(centers)
            ]
            if tiles < 2 or not all(fits):
                continue
            owner = tuple(some[0] for some in fits)
            if len(set(owner)) == tiles:
                first = tuple(owner.index(tile) for tile in range(tiles))
                side = max(map(owner.count, range(tiles)))
                found.append(Axis(tokens, centers, reach, side, 2 * half, first, start, owner, cell))
    return tuple(found)


def reached(cell: tuple[int, ...], centers: int, reach: int) -> tuple[list[int], list[int]]:
    """For each center, where the tokens begin and end that can meet it or are in its pooling bin.

    Those within reach of its cell; its pooling bin can lie outside where there are more centers than tokens.
    """
    tokens = len(cell)
    begin = [min(bisect_left(cell, c - reach), c * tokens // centers) for c in range(centers)]
    end = [max(bisect_left(cell, c + reach + 1), -(-(c + 1) * tokens // centers)) for c in range(centers)]
    return begin, end


def cut(begin: list[int], end: list[int], length: int, side: int) -> list[int]:
    """The first center of each tile, if a tile takes up to `side` centers whose tokens fit into `length` places."""
    first = [0]
    for center in range(len(begin)):
        if end[center] - begin[first[-1]] > length or center - first[-1] == side:
            first.append(center)
    return first


def cells(tokens: int, centers: int) -> tuple[int, ...]:
    """The initial cell of each token along one axis: nearest-neighbour interpolation, rounded as PyTorch rounds it."""
    scale = single(centers / tokens)
    return tuple(min(int(single(token * scale)), centers - 1) for token in range(tokens))


def single(value: float) -> float:
    """`value` rounded to single precision."""
    fraction, exponent = math.frexp(value)
    return math.ldexp(round(fraction * 2**24), exponent - 24)
