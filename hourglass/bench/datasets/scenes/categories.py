"""The eleven classes of a scene: six things, then five stuff classes."""

from __future__ import annotations

from dataclasses import dataclass

from hourglass.bench.datasets.base import Category


@dataclass(frozen=True)
class ThingClass:
    """What the layout needs to know of a thing class."""

    name: str
    color: tuple[int, int, int]
    height_low: float
    height_high: float
    """Metres."""
    aspect: float
    """Width over height."""


THINGS = (
    ThingClass("crate", (176, 124, 64), 0.7, 1.5, 1.0),
    ThingClass("ball", (214, 40, 57), 0.6, 1.4, 1.0),
    ThingClass("cone", (255, 127, 14), 0.8, 1.5, 0.8),
    ThingClass("barrel", (31, 90, 180), 0.9, 1.6, 0.72),
    ThingClass("sign", (245, 205, 30), 1.6, 2.6, 0.5),
    ThingClass("bush", (20, 90, 40), 0.7, 1.8, 1.25),
)

STUFF = (
    ("sky", (135, 190, 235)),
    ("hill", (120, 110, 150)),
    ("grass", (110, 170, 70)),
    ("road", (110, 110, 115)),
    ("water", (60, 140, 170)),
)

CATEGORIES = tuple(
    Category(id=index + 1, name=name, isthing=index < len(THINGS), color=color)
    for index, (name, color) in enumerate([(thing.name, thing.color) for thing in THINGS] + list(STUFF))
)
"""Things first; the index in this tuple is the class index everywhere."""

SKY, HILL, GRASS, ROAD, WATER = range(len(THINGS), len(CATEGORIES))
