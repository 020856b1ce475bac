"""What tables and the report ask of a suite's outcome, and what is computed from it."""

from __future__ import annotations

from dataclasses import dataclass, field

from hourglass.bench.results.outcome import Outcome
from hourglass.bench.results.records import Row, rows
from hourglass.bench.suites.case import Case

KEEP = 0.99
"""Share of the baseline's accuracy that a plan in the headline keeps, unless a table says otherwise."""
HEADLINE = "hourglass"
"""The method whose plans the headline is about."""


@dataclass(frozen=True)
class Content:
    """An outcome, to be looked up by case and quantity."""

    outcome: Outcome
    _by_quantity: dict[tuple[str, str, str], Row] = field(init=False, repr=False)
    _statuses: dict[tuple[str, str, str], str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        by_quantity = {(row.case, row.measurement, row.quantity): row for row in rows(self.outcome.records)}
        statuses = {(v.case, v.measurement, v.quantity): v.status for v in self.outcome.verdicts}
        object.__setattr__(self, "_by_quantity", by_quantity)
        object.__setattr__(self, "_statuses", statuses)

    def baseline(self, case: Case) -> Case:
        """The baseline of a case; of a baseline, itself."""
        return self.outcome.suite.case(case.baseline_id)

    def row(self, case: Case, measurement: str, quantity: str) -> Row | None:
        """The measured quantity, or None if it was not measured.

        A baseline is timed beside every plan, in one process with it; its own times are those beside the first plan.
        """
        if measurement == "speed" and case.is_baseline:
            cases = self.outcome.suite.cases
            first = next((c for c in cases if c.baseline_id == case.id and not c.is_baseline), case)
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
        metric = self.outcome.metrics[case.experiment]
        value = self.value(case, "accuracy", metric.name)
        baseline = self.baseline_value(case, "accuracy", metric.name)
        if value is None or baseline is None:
            return None
        return share_kept(value, baseline, higher_is_better=metric.higher_is_better)

    def status(self, case: Case, measurement: str, quantity: str) -> str:
        """The verdict on it, or on the whole measurement."""
        on_quantity = self._statuses.get((case.id, measurement, quantity))
        return on_quantity or self._statuses.get((case.id, measurement, ""), "")

    def fastest_that_keeps(self, share: float, experiment: str, method: str = HEADLINE) -> Case | None:
        """The plan of a method with the greatest speed-up among those that keep this share of the accuracy.

        None if every such plan is slower than the baseline.
        """
        kept = [
            (speedup, case)
            for case in self.outcome.suite.cases
            if case.experiment == experiment and case.method == method
            if (speedup := self.value(case, "speed", "speedup")) is not None and speedup > 1
            if (accuracy := self.accuracy_kept(case)) is not None and accuracy >= share
        ]
        return max(kept, key=lambda pair: pair[0])[1] if kept else None

    def headline(self, experiment: str) -> Case | None:
        """The plan of the hourglass that stands for an experiment.

        The fastest that keeps `KEEP`; else, of those that are faster than the baseline, the one that keeps most; None
        if there is none either.
        """
        faster = [
            (kept, case)
            for case in self.outcome.suite.cases
            if case.experiment == experiment and case.method == HEADLINE
            if (self.value(case, "speed", "speedup") or 0) > 1
            if (kept := self.accuracy_kept(case)) is not None
        ]
        closest = max(faster, key=lambda pair: pair[0])[1] if faster else None
        return self.fastest_that_keeps(KEEP, experiment) or closest

    def front(self, experiment: str) -> list[Case]:
        """The cases of an experiment that no other one beats in speed-up and judged accuracy, slowest first.

        One beats another if it is at least as good in both and better in one. The baseline takes part.
        """
        found = []
        for case in self.outcome.suite.cases:
            speedup = 1.0 if case.is_baseline else self.value(case, "speed", "speedup")
            kept = self.accuracy_kept(case) if case.experiment == experiment else None
            if speedup is not None and kept is not None:
                found.append((speedup, kept, case))
        return [
            case
            for speedup, kept, case in sorted(found, key=lambda each: each[:2])
            if not any(other[:2] != (speedup, kept) and other[0] >= speedup and other[1] >= kept for other in found)
        ]


def share_kept(value: float, baseline: float, *, higher_is_better: bool) -> float | None:
    """How much of the baseline's quality is kept: 1 is all of it. None if the ratio has no meaning."""
    over, under = (value, baseline) if higher_is_better else (baseline, value)
    return over / under if under > 0 else None
