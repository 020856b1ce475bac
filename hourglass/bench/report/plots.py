"""Charts as SVG text: the page colours them, and each mark is a link. Equal input gives equal bytes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

WIDTH, HEIGHT = 460, 330
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 14, 46
SHAPES = (
    "M-4.5-4.5h9v9h-9z",
    "M0-5.2a5.2 5.2 0 1 0 .01 0z",
    "M0-6.6 6.6 0 0 6.6-6.6 0z",
    "M0-6.2 6 4.6H-6z",
    "M0 6.2 6-4.6H-6z",
    "M-2-6h4v4h4v4h-4v4h-4v-4h-4v-4h4z",
)
"""Marks of the series, in their order; one after the last has the first again, in another colour."""
SMALLEST, LARGEST = 7, 17
"""Radius of what can be hit of a mark: on a phone, twice the larger one is 24 pixels."""
COLORS = 7
"""Of the page, for the series in their order."""


@dataclass(frozen=True)
class Point:
    """One case in a chart.

    Attributes:
        x: Its place; so y.
        low: Lower end of the interval of x; None without one.
        high: Upper end.
        series: What it is marked as, one of the chart's.
        label: Written beside it, where there is room.
        told: All about it, in a sentence.
        target: Of its link.
    """

    x: float
    y: float
    series: str
    label: str
    told: str
    target: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Chart:
    """Cases in a plane, and the front of those that no other beats in both directions.

    Attributes:
        series: All kinds of marks; one has the same mark in every chart with the same series.
        more_x: Whether more of x is better; so more_y.
        keep: A value of y to draw a line at.
    """

    title: str
    x: str
    y: str
    series: tuple[str, ...]
    points: tuple[Point, ...]
    more_x: bool
    more_y: bool
    keep: float | None = None


class Mark(NamedTuple):
    """A point on the canvas; coordinates in pixels."""

    point: Point
    x: float
    y: float
    reach: float
    """Radius of what can be hit: as far as half way to the nearest other mark."""
    low: float | None
    high: float | None
    shape: str
    number: int
    on_front: bool
    label: tuple[float, float, str] | None
    """Where its label is anchored, and by which end."""


class Drawing(NamedTuple):
    """A chart on its canvas."""

    chart: Chart
    marks: list[Mark]
    front: str
    ticks_x: list[tuple[float, str]]
    ticks_y: list[tuple[float, str]]
    keep: float | None

    @property
    def names(self) -> set[str]:
        """The series that have points."""
        return {mark.point.series for mark in self.marks}


class Axis:
    """From values to pixels, with room at both ends."""

    def __init__(self, values: Iterable[float], first: float, last: float, room: float = 0.09) -> None:
        found = list(values)
        low, high = min(found), max(found)
        wide = (high - low) or abs(high) or 1.0
        self.low, self.high = low - room * wide, high + room * wide
        self._first, self._last = first, last

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        share = (value - self.low) / (self.high - self.low)
        return round(self._first + share * (self._last - self._first), 1)

    def ticks(self, most: int = 6) -> list[tuple[float, str]]:
        """Round numbers along it, in pixels and as text."""
        least = (self.high - self.low) / most
        magnitude = 10.0 ** math.floor(math.log10(least))
        step = next(magnitude * factor for factor in (1, 2, 5, 10) if magnitude * factor >= least)
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [(self(number * step), f"{number * step:.{digits}f}") for number in range(first, last + 1)]


def front(points: Sequence[Point], *, more_x: bool, more_y: bool) -> list[Point]:
    """Those that no other beats in both directions, along x."""
    by_x = sorted(points, key=lambda point: (point.x if more_x else -point.x, point.y if more_y else -point.y))
    best: list[Point] = []
    for point in reversed(by_x):
        if not best or (point.y > best[-1].y if more_y else point.y < best[-1].y):
            best.append(point)
    return best


def drawn(chart: Chart) -> Drawing:
    """A chart with at least one point, laid out. Better is to the right and up: an axis of costs runs backwards."""
    ends = [end for p in chart.points for end in (p.low, p.x, p.high) if end is not None]
    heights = [*(p.y for p in chart.points), *([chart.keep] if chart.keep is not None else [])]
    sides = (LEFT, WIDTH - RIGHT) if chart.more_x else (WIDTH - RIGHT, LEFT)
    across = Axis(ends, *sides)
    up = Axis(heights, *((HEIGHT - BOTTOM, TOP) if chart.more_y else (TOP, HEIGHT - BOTTOM)))
    best = front(chart.points, more_x=chart.more_x, more_y=chart.more_y)
    places = [(across(p.x), up(p.y)) for p in chart.points]
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in places]
    marks = []
    # Those on the front are labelled first, as long as there is room.
    for point in sorted(chart.points, key=lambda point: point not in best):
        number = chart.series.index(point.series)
        x, y = across(point.x), up(point.y)
        low, high = (None if end is None else across(end) for end in (point.low, point.high))
        shape, label = SHAPES[number % len(SHAPES)], _room_for(point.label, x, y, taken)
        marks.append(Mark(point, x, y, _reach((x, y), places), low, high, shape, number, point in best, label))
    return Drawing(
        chart=chart,
        marks=sorted(marks, key=lambda mark: (mark.x, mark.y)),
        front=" ".join(f"{across(p.x)},{up(p.y)}" for p in best),
        ticks_x=across.ticks(),
        ticks_y=up.ticks(),
        keep=None if chart.keep is None else up(chart.keep),
    )


def _reach(place: tuple[float, float], places: Sequence[tuple[float, float]]) -> float:
    nearest = min((math.dist(place, other) for other in places if other != place), default=math.inf)
    return round(min(max(nearest / 2, SMALLEST), LARGEST), 1)


def _room_for(
    text: str, x: float, y: float, taken: list[tuple[float, float, float, float]]
) -> tuple[float, float, str] | None:
    """Where beside a mark a text can stand without touching anything, which it then takes; None if nowhere."""
    wide = 7.2 * len(text)
    for left, top, at, anchor in (
        (x - wide / 2, y - 21, (x, y - 10), "middle"),
        (x - wide / 2, y + 8, (x, y + 18), "middle"),
        (x + 9, y - 6, (x + 9, y + 4), "start"),
        (x - 9 - wide, y - 6, (x - 9, y + 4), "end"),
        (x + 6 - wide, y - 21, (x + 6, y - 10), "end"),
        (x + 6 - wide, y + 8, (x + 6, y + 18), "end"),
        (x - 6, y - 21, (x - 6, y - 10), "start"),
        (x - 6, y + 8, (x - 6, y + 18), "start"),
    ):
        box = left, top, left + wide, top + 12
        inside = left >= LEFT and box[2] <= WIDTH and top >= 0 and box[3] <= HEIGHT - BOTTOM
        if inside and not any(
            box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3] for other in taken
        ):
            taken.append(box)
            return round(at[0], 1), round(at[1], 1), anchor
    return None
