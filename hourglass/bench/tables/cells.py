"""From definitions to the cells of a row."""

from __future__ import annotations

from collections.abc import Sequence

from hourglass.bench.suites.case import Case
from hourglass.bench.tables.content import Content, share_kept
from hourglass.bench.tables.definition import PRINTED, ColumnDefinition
from hourglass.bench.tables.lines import Line
from hourglass.bench.tables.model import Cell, Column

NOT_MEASURED = "—"
NOT_APPLICABLE = "n/a"
ALL = "all"

_WORDS = ("published.method", "published.label", "published.notes")


def column_of(definition: ColumnDefinition) -> Column:
    """Heading of a column."""
    described = definition.value.startswith(("case.", "settings.", "criterion.")) or definition.value in _WORDS
    return Column(definition.header, numeric=not described, has_change=definition.change is not None)


def cell_of(column: ColumnDefinition, line: Line, content: Content, notes: Sequence[str]) -> Cell:
    """One cell.

    Args:
        column: Of which column.
        line: Of which row.
        content: What it is filled from.
        notes: The footnotes of the table.
    """
    kind, name = column.value.split(".", 1)
    metric = content.outcome.metrics[line.experiment.id]
    if kind == "criterion":
        return _words(metric.title)
    if kind == "published":
        return _quoted(column, line, name, notes)
    if kind == "case":
        value = getattr(line.case or line.experiment, name, NOT_MEASURED)
        return _words(ALL if name == "images" and value is None else value)
    if line.case is None:
        return Cell(value=None, text=NOT_MEASURED)
    if kind == "settings":
        return _words(setting_text(line.case.settings.get(name)))
    quantity = metric.name if column.value == "accuracy.judged" else name
    if column.show == "deviation":
        return _deviation(column, line, content, kind, quantity)
    return _number(column, line.case, content, kind, quantity)


def _quoted(column: ColumnDefinition, line: Line, name: str, notes: Sequence[str]) -> Cell:
    """What a published row says; of a case that repeats none, its own name."""
    if name == "notes":
        return _words(", ".join(str(notes.index(note) + 1) for note in line.notes))
    if line.row is None:
        own = {"method": "method", "label": "plan"}.get(name)
        return _words(getattr(line.case, own)) if own else Cell(value=None, text=NOT_MEASURED)
    value = getattr(line.row, name)
    if value is None or isinstance(value, str):
        return Cell(value=value, text=NOT_MEASURED if value is None else value, source=line.source)
    return Cell(value=value, text=_text(value, column), source=line.source)


def _deviation(column: ColumnDefinition, line: Line, content: Content, measurement: str, quantity: str) -> Cell:
    """Relative difference of a measured quantity from the published one."""
    assert line.case is not None
    row = content.row(line.case, measurement, quantity)
    printed = getattr(line.row, PRINTED[column.value], None)
    if row is None or row.value is None or printed is None:
        return Cell(value=None, text=NOT_MEASURED)
    deviation = row.value / printed - 1
    return Cell(deviation, _signed(deviation * (100 if column.percent else 1), column.digits), source=row.file)


def _words(value: object) -> Cell:
    text = NOT_MEASURED if value is None else str(value)
    return Cell(value=text, text=text)


def setting_text(value: object) -> str:
    """The value of a setting; a dash if it has none."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " × ".join(map(str, value))
    return NOT_MEASURED if value is None else str(value)


def _number(column: ColumnDefinition, case: Case, content: Content, measurement: str, quantity: str) -> Cell:
    shown = content.baseline(case) if column.show == "baseline" else case
    row = content.row(shown, measurement, quantity)
    if row is None or row.value is None:
        return Cell(value=None, text=NOT_MEASURED if row is None else NOT_APPLICABLE, source=row.file if row else "")
    baseline = content.baseline_value(shown, measurement, quantity)
    status = content.status(shown, measurement, quantity)
    if column.show in ("share", "saved"):
        higher = content.outcome.metrics[case.experiment].higher_is_better if measurement == "accuracy" else True
        share = None if baseline is None else share_kept(row.value, baseline, higher_is_better=higher)
        if share is None:
            return Cell(value=None, text=NOT_APPLICABLE, source=row.file)
        share = share if column.show == "share" else 1 - share
        return Cell(value=share, text=_text(share, column), status=status, source=row.file)
    text = _text(row.value, column)
    if column.interval:
        low, high = (content.value(shown, measurement, f"{quantity}_{end}") for end in ("low", "high"))
        if low is not None and high is not None:
            text += f" [{_text(low, column)}, {_text(high, column)}]"
    if shown.is_baseline or baseline is None or column.change is None:
        return Cell(value=row.value, text=text, status=status, source=row.file)
    change = row.value - baseline
    if column.change == "absolute":
        change_text = _signed(change * (100 if column.percent else 1), column.digits)
    elif baseline:
        change /= baseline
        change_text = f"{_signed(100 * change, 0)} %"
    else:
        return Cell(value=row.value, text=text, status=status, source=row.file)
    return Cell(row.value, text, change, change_text, status, row.file)


def _text(value: float, column: ColumnDefinition) -> str:
    return f"{value * (100 if column.percent else 1):.{column.digits}f}"


def _signed(value: float, digits: int) -> str:
    rounded = f"{abs(value):.{digits}f}"
    if not float(rounded):
        return f"±{rounded}"
    return f"{'+' if value > 0 else '−'}{rounded}"
