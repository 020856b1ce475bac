"""What a plan of tiles promises, whichever one is chosen."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hourglass.operators.tiling import cells, choose_tiling, half_tilings, tilings


@settings(max_examples=100, deadline=None)
@given(
    cut_up=st.sampled_from([tilings, half_tilings]),
    tokens=st.integers(1, 80),
    centers=st.integers(1, 80),
    reach=st.integers(0, 4),
)
def test_a_tile_sees_all_that_its_centers_need(cut_up, tokens, centers, reach):
    cell = cells(tokens, centers)
    for axis in cut_up(tokens, centers, reach):
        assert len(axis.owner) == centers
        assert axis.tiles == len(axis.start) == max(axis.owner) + 1
        for center, tile in enumerate(axis.owner):
            assert 0 <= center - axis.first[tile] < axis.side
            needed = {token for token in range(tokens) if abs(cell[token] - center) <= reach}
            needed |= set(range(center * tokens // centers, -(-(center + 1) * tokens // centers)))
            assert needed <= set(range(axis.start[tile], axis.start[tile] + axis.length))
        if cut_up is tilings:
            assert all(0 <= start <= tokens - axis.length for start in axis.start)
        else:
            halves = [start + axis.length // 2 for start in axis.start]
            assert halves[:-1] == list(axis.start[1:])
            assert axis.start[0] <= 0 <= tokens <= axis.start[-1] + axis.length


@pytest.mark.parametrize(("tokens", "centers"), [(40, 28), (12, 8), (22, 28), (1, 9), (300, 7)])
def test_one_tile_over_everything_is_always_an_option(tokens, centers):
    assert (tokens, centers, 1) in {(axis.length, axis.side, axis.tiles) for axis in tilings(tokens, centers, 2)}


@pytest.mark.parametrize(
    ("grid", "clusters", "window", "iterations"),
    [
        ((40, 40), (28, 28), 5, 0),  # nothing to iterate
        ((40, 40), (28, 28), 1, 5),  # every token stays with its own center
        ((40, 40), (1, 1), 5, 5),
    ],
)
def test_some_problems_have_nothing_to_tile(grid, clusters, window, iterations):
    assert choose_tiling(grid, clusters, window, 1024, iterations, quarters=True) is None


def test_small_windows_are_one_tile_and_large_grids_are_many():
    small, *large = (
        choose_tiling((12, 12), (8, 8), 5, 768, 5, quarters=True),
        choose_tiling((48, 48), (32, 32), 5, 1024, 5, quarters=True),
        choose_tiling((48, 48), (32, 32), 5, 1024, 5, quarters=False),
    )
    assert small.rows.tiles == small.columns.tiles == 1
    assert [tiling.quartered for tiling in large] == [True, False]
    assert all(axis.tiles > 1 for tiling in large for axis in (tiling.rows, tiling.columns))
