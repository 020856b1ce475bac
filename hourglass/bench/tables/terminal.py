"""Finished tables for people at a terminal."""

from __future__ import annotations

import sys

import rich.table
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.text import Text

from hourglass.bench.tables.model import Table


def show(table: Table) -> None:
    """Print a table in its full width, however narrow the terminal is: lines may be broken, cells are not."""
    grid = rich.table.Table(box=box.MARKDOWN)
    for column in table.columns:
        grid.add_column(Text(column.header), justify="right" if column.numeric else "left", no_wrap=True)
    for row in table.rows:
        grid.add_row(*(Text(cell.text) for cell in row))
    unlimited = Console().options.update(max_width=sys.maxsize)
    console = Console(width=Measurement.get(Console(), unlimited, grid).maximum, highlight=False)
    console.print(Text(table.title, style="bold"), "", grid, Text(table.caption), "", sep="\n")
    for number, note in enumerate(table.notes, start=1):
        console.print(Text(f"{number}. {note}"))
    console.print()
