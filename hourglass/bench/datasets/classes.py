"""Categories from what data sets publish of theirs: numbers and names."""

from __future__ import annotations

import colorsys
from collections.abc import Collection, Iterable

from hourglass.bench.datasets.base import Category


def categories(names: Iterable[tuple[int, str]], *, things: Collection[int] = ()) -> tuple[Category, ...]:
    """Categories by label, in colours that tell neighbours apart.

    Args:
        names: The number in the annotation files and the name of each, by label.
        things: Numbers of the things; all others are stuff.
    """
    listed = list(names)
    return tuple(
        Category(number, name, number in things, color)
        for (number, name), color in zip(listed, palette(len(listed)), strict=True)
    )


def palette(count: int) -> list[tuple[int, int, int]]:
    """So many colours, RGB from 0 to 255: hues that turn by the golden ratio."""
    colors = (colorsys.hsv_to_rgb((0.618 * label) % 1, 0.75, 0.95) for label in range(count))
    return [(round(255 * red), round(255 * green), round(255 * blue)) for red, green, blue in colors]
