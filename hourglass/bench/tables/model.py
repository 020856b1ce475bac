"""A finished table, before it is printed in some format."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """One cell, which knows where its number comes from."""

    value: str | float | int | None
    """With every digit."""
    text: str
    """As printed."""
    change: float | None = None
    """Difference from the baseline's cell, in the definition's terms; None where there is nothing to compare."""
    change_text: str = ""
    status: str = ""
    """Verdict on the number, empty if there is none."""
    source: str = ""
    """File the number comes from, relative to the folder of all results."""


@dataclass(frozen=True)
class Column:
    """Heading of a column."""

    header: str
    numeric: bool
    has_change: bool
    """Whether its cells carry differences from the baseline."""


@dataclass(frozen=True)
class Table:
    """What every renderer prints."""

    name: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    """Footnotes, numbered from 1."""
