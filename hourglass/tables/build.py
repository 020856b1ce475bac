"""From the tidy table to finished tables, by their definitions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from hourglass.results import Row
from hourglass.suite import Case, Suite
from hourglass.tables.definition import ColumnDefinition, TableDefinition
from hourglass.tables.model import Cell, Column, Table
from hourglass.tasks.metric import Metric
from hourglass.verdict import Verdict

NOT_MEASURED = "—"
NOT_APPLICABLE = "n/a"


@dataclass(frozen=True)
class Content:
    """Everything that tables are filled from.

    Attributes:
        suite: Its cases, in order.
        rows: The tidy table.
        metrics: The metric each task of the suite is judged by, by experiment.
        verdicts: On these rows.
    """

    suite: Suite
    rows: Iterable[Row]
    metrics: Mapping[str, Metric]
    verdicts: Iterable[Verdict] = ()
    _by_quantity: dict[tuple[str, str, str], Row] = field(init=False, repr=False)
    _statuses: dict[tuple[str, str, str], str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        by_quantity = {(row.case, row.measurement, row.quantity): row for row in self.rows}
        statuses = {(v.case, v.measurement, v.quantity): v.status for v in self.verdicts}
        object.__setattr__(self, "_by_quantity", by_quantity)
        object.__setattr__(self, "_statuses", statuses)

    def baseline(self, case: Case) -> Case:
        """The baseline of a case; of a baseline, itself."""
        return self.suite.case(case.baseline_id)

    def row(self, case: Case, measurement: str, quantity: str) -> Row | None:
        """The measured quantity, or None if it was not measured.

        A baseline is timed beside every plan, in one process with it; its own times are those beside the first plan.
        """
        if measurement == "speed" and case.is_baseline:
            first = next((c for c in self.suite.cases if c.baseline_id == case.id and not c.is_baseline), case)
            return self._by_quantity.get((first.id, "speed", f"baseline_{quantity}"))
        return self._by_quantity.get((case.id, measurement, quantity))

    def value(self, case: Case, measurement: str, quantity: str) -> float | int | None:
        """Its number, or None if there is none."""
        row = self.row(case, measurement, quantity)
        return row.value if row else None

    def baseline_value(self, case: Case, measurement: str, quantity: str) -> float | int | None:
        """What a case's number is compared with: times only with those of the same process."""
        if measurement == "speed" and not case.is_baseline:
            return self.value(case, "speed", f"baseline_{quantity}")
        return self.value(self.baseline(case), measurement, quantity)

    def accuracy_kept(self, case: Case) -> float | None:
        """Share of the baseline's judged accuracy, or None if it is not known."""
        metric = self.metrics[case.experiment]
        value = self.value(case, "accuracy", metric.name)
        baseline = self.baseline_value(case, "accuracy", metric.name)
        if value is None or baseline is None:
            return None
        return share_kept(value, baseline, higher_is_better=metric.higher_is_better)

    def status(self, case: Case, measurement: str, quantity: str) -> str:
        """The verdict on it, or on the whole measurement."""
        on_quantity = self._statuses.get((case.id, measurement, quantity))
        return on_quantity or self._statuses.get((case.id, measurement, ""), "")


def build(name: str, definition: TableDefinition, content: Content) -> Table:
    """One table.

    Args:
        name: Of its files.
        definition: What it looks like.
        content: What it is filled from.
    """
    cases = _fastest(definition, content) if definition.rows == "fastest" else _cases(definition, content)
    return Table(
        name=name,
        title=definition.title,
        caption=definition.caption,
        columns=tuple(_column(column) for column in definition.columns),
        rows=tuple(tuple(_cell(column, case, content) for column in definition.columns) for case in cases),
    )


def share_kept(value: float, baseline: float, *, higher_is_better: bool) -> float | None:
    """How much of the baseline's quality is kept: 1 is all of it. None if the ratio has no meaning."""
    over, under = (value, baseline) if higher_is_better else (baseline, value)
    return over / under if under > 0 else None


def fastest_that_keeps(share: float, experiment: str, content: Content) -> Case | None:
    """The case of an experiment with the greatest speed-up among those that keep this share of the accuracy.

    None if every such plan is slower than the baseline.
    """
    kept = [
        (speedup, case)
        for case in content.suite.cases
        if case.experiment == experiment and not case.is_baseline
        if (speedup := content.value(case, "speed", "speedup")) is not None and speedup > 1
        if (accuracy := content.accuracy_kept(case)) is not None and accuracy >= share
    ]
    return max(kept, key=lambda pair: pair[0])[1] if kept else None


def _cases(definition: TableDefinition, content: Content) -> Iterator[Case]:
    return (case for case in content.suite.cases if definition.task in (None, case.task))


def _fastest(definition: TableDefinition, content: Content) -> Iterator[Case]:
    for experiment in content.suite.experiments:
        if definition.task not in (None, experiment.task):
            continue
        baseline = next(case for case in content.suite.cases if case.experiment == experiment.id)
        yield fastest_that_keeps(definition.keep, experiment.id, content) or baseline


def _column(definition: ColumnDefinition) -> Column:
    described = definition.value.startswith(("case.", "settings.", "criterion."))
    return Column(definition.header, numeric=not described, has_change=definition.change is not None)


def _cell(column: ColumnDefinition, case: Case, content: Content) -> Cell:
    kind, name = column.value.split(".", 1)
    metric = content.metrics[case.experiment]
    if kind == "case":
        return _words(getattr(case, name))
    if kind == "criterion":
        return _words(metric.title)
    if kind == "settings":
        return _words(_setting(case, name))
    return _number(column, case, content, kind, metric.name if column.value == "accuracy.judged" else name)


def _words(value: object) -> Cell:
    return Cell(value=str(value), text=str(value))


def _setting(case: Case, name: str) -> object:
    value = case.settings.get(name, NOT_MEASURED)
    return " × ".join(map(str, value)) if isinstance(value, list) else value


def _number(column: ColumnDefinition, case: Case, content: Content, measurement: str, quantity: str) -> Cell:
    shown = content.baseline(case) if column.show == "baseline" else case
    row = content.row(shown, measurement, quantity)
    if row is None or row.value is None:
        return Cell(value=None, text=NOT_MEASURED if row is None else NOT_APPLICABLE, source=row.file if row else "")
    baseline = content.baseline_value(shown, measurement, quantity)
    status = content.status(shown, measurement, quantity)
    if column.show in ("share", "saved"):
        higher = content.metrics[case.experiment].higher_is_better if measurement == "accuracy" else True
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
