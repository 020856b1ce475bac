"""One table, four formats. Equal tables give equal bytes."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from hourglass.bench.tables.model import Cell, Table

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)

_LATEX = str.maketrans(
    {
        "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
        "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}",
        "−": "$-$", "±": r"$\pm$", "×": r"$\times$", "δ": r"$\delta$", "↑": r"$\uparrow$", "↓": r"$\downarrow$",
        "—": "---", "κ": r"$\kappa$", "λ": r"$\lambda$", "τ": r"$\tau$", "α": r"$\alpha$",
    }
)  # fmt: skip


def markdown(table: Table) -> str:
    """GitHub's tables; differences from the baseline stand in parentheses."""
    heads = [column.header for column in table.columns]
    rules = ["---:" if column.numeric else "---" for column in table.columns]
    lines = [heads, rules, *([_with_change(cell).replace("|", r"\|") for cell in row] for row in table.rows)]
    caption = f"\n{table.caption}\n" if table.caption else ""
    notes = "".join(f"\n{number}. {note}" for number, note in enumerate(table.notes, start=1))
    body = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return f"### {table.title}\n\n{body}{caption}" + (f"{notes}\n" if notes else "")


def latex(table: Table) -> str:
    """A ``table`` environment; needs the package booktabs."""
    alignment = "".join("r" if column.numeric else "l" for column in table.columns)
    rows = [
        " & ".join(column.header.translate(_LATEX) for column in table.columns) + r" \\",
        r"\midrule",
        *(" & ".join(_with_change(cell).translate(_LATEX) for cell in row) + r" \\" for row in table.rows),
    ]
    caption = f"{table.title}. {table.caption}" if table.caption else f"{table.title}."
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{caption.translate(_LATEX)}}}",
            rf"\label{{tab:{table.name}}}",
            rf"\begin{{tabular}}{{{alignment}}}",
            r"\toprule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            *(rf"\par {number}. {note.translate(_LATEX)}" for number, note in enumerate(table.notes, start=1)),
            r"\end{table}",
            "",
        ]
    )


def comma_separated(table: Table) -> str:
    """Every digit; a column of its own for each difference from the baseline. Empty where there is no number."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    heads = [[column.header, f"{column.header} change"][: 1 + column.has_change] for column in table.columns]
    writer.writerow(head for pair in heads for head in pair)
    for row in table.rows:
        pairs = zip(table.columns, row, strict=True)
        writer.writerow(value for column, cell in pairs for value in (cell.value, cell.change)[: 1 + column.has_change])
    return text.getvalue()


def html(table: Table, *, root: str | None = None) -> str:
    """A ``figure`` with a ``table``; cells carry the verdict as class and the file they come from as title.

    Args:
        table: Which.
        root: Where the folder of all results is, seen from the page: numbers are links to their files then, cells carry
            what they are sorted by, and the table scrolls inside a frame.
    """
    return TEMPLATES.get_template("table.html").render(table=table, root=root)


FORMATS: dict[str, Callable[[Table], str]] = {
    "md": markdown,
    "tex": latex,
    "csv": comma_separated,
    "html": html,
}
"""Renderers by file ending."""


def _with_change(cell: Cell) -> str:
    return f"{cell.text} ({cell.change_text})" if cell.change_text else cell.text
