"""What is said of a measurement when it is compared with the accepted one, and what it adds up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from hourglass.bench.wording import counted

Status = Literal["pass", "regressed", "improved", "missing", "inconclusive", "not comparable"]


@dataclass(frozen=True)
class Verdict:
    """What is said of one quantity of one case.

    Attributes:
        case: Its id, or ``all cases``.
        detail: One sentence without a full stop; empty for a plain pass.
        fails: Whether the whole check fails by it.
    """

    case: str
    measurement: str
    quantity: str
    status: Status
    value: float | None
    reference: float | None
    detail: str
    fails: bool


def missing(case: str, measurement: str, quantity: str, detail: str) -> Verdict:
    """That something is not there which should be; the check fails by it."""
    return Verdict(case, measurement, quantity, "missing", None, None, detail, fails=True)


def passed(verdicts: Sequence[Verdict]) -> bool:
    """Whether none of them fails the check."""
    return not any(verdict.fails for verdict in verdicts)


def findings(verdicts: Iterable[Verdict]) -> list[tuple[Status, str, list[str]]]:
    """Whatever is no plain pass: status, detail, and all the places that share both."""
    places: dict[tuple[Status, str], list[str]] = {}
    for verdict in verdicts:
        if verdict.status != "pass" or verdict.detail:
            place = f"{verdict.case}: {verdict.measurement} {verdict.quantity}".strip()
            places.setdefault((verdict.status, verdict.detail), []).append(place)
    return [(status, detail, found) for (status, detail), found in places.items()]


def in_numbers(verdicts: Iterable[Verdict]) -> str:
    """How many there are of each status."""
    counts = Counter(verdict.status for verdict in verdicts)
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def where(places: Sequence[str]) -> str:
    """The places that share a finding, in short."""
    return f"{places[0]} and {counted(len(places) - 1, one='other')}" if len(places) > 1 else places[0]
