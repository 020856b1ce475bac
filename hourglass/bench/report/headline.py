"""What was gained, what was lost, and on which picture: the headline of each experiment."""

from __future__ import annotations

from dataclasses import dataclass

from hourglass.bench.report.exhibition import Exhibition, Shot
from hourglass.bench.report.fronts import method_of
from hourglass.bench.report.words import amount, case_target, changed, is_worse
from hourglass.bench.suites.case import Case
from hourglass.bench.suites.suite import Experiment
from hourglass.bench.tables.content import KEEP, Content


@dataclass(frozen=True)
class Highlight:
    """The headline of one experiment.

    Attributes:
        case: That of `Content.headline`.
        is_enough: Whether it keeps enough.
        is_timed: Whether any plan has been timed.
        saved: Share of the multiply-accumulates that it saves.
        before: Accuracy of the baseline, in words.
        after: Accuracy of the case.
        change: By how much it differs.
        is_loss: Whether the accuracy is worse.
        kept: Share of the accuracy that is kept.
        worst: The picture that loses most.
        pictures: Anchor of the pictures; empty without any.
    """

    experiment: Experiment
    metric: str
    case: Case | None
    is_enough: bool = False
    is_timed: bool = True
    method: str = ""
    target: str = ""
    speedup: float | None = None
    low: float | None = None
    high: float | None = None
    saved: float | None = None
    before: str = ""
    after: str = ""
    change: str = ""
    is_loss: bool = False
    kept: float | None = None
    worst: Shot | None = None
    pictures: str = ""


def highlight(experiment: Experiment, content: Content, shown: Exhibition) -> Highlight:
    """The headline of an experiment."""
    metric = content.outcome.metrics[experiment.id]
    case = content.headline(experiment.id)
    if case is None:
        timed = any(
            record.measurement == "speed" and record.case.experiment == experiment.id
            for record in content.outcome.records
        )
        return Highlight(experiment, metric.title, None, is_timed=timed)
    value, before = content.value(case, "accuracy", metric.name), content.baseline_value(case, "accuracy", metric.name)
    work, whole = (content.value(each, "cost", "gmacs_executed") for each in (case, content.baseline(case)))
    wing = next((wing for wing in shown.wings if wing.experiment == experiment), None)
    room, kept = shown.room(case), content.accuracy_kept(case)
    return Highlight(
        experiment=experiment,
        metric=metric.title,
        case=case,
        is_enough=kept is not None and kept >= KEEP,
        method=method_of(case),
        target=case_target(case),
        speedup=content.value(case, "speed", "speedup"),
        low=content.value(case, "speed", "speedup_low"),
        high=content.value(case, "speed", "speedup_high"),
        saved=None if work is None or not whole else 1 - work / whole,
        before=amount(before, metric),
        after=amount(value, metric),
        change=changed(value, before, metric),
        is_loss=is_worse(value, before, metric),
        kept=kept,
        worst=room.worst if room else None,
        pictures=wing.anchor if wing else "",
    )
