"""The results that new ones are compared with: one reviewed YAML file a suite."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from difflib import unified_diff
from hashlib import sha256
from pathlib import Path

from pydantic import Field

from hourglass.bench.results.judging import KEPT_SPEED, Metrics, judged_quantities
from hourglass.bench.results.records import Comparable, Record, comparable
from hourglass.bench.storage.documents import Document, as_yaml, read
from hourglass.bench.storage.files import write_text
from hourglass.bench.suites.case import Measurement, Name
from hourglass.bench.suites.suite import Suite
from hourglass.registry import UserError


class Accepted(Document):
    """The content of the file.

    Attributes:
        reason: Why these results are right, for whoever reviews the change.
        commits: Of the code they were measured with.
        cases: By case id and kind of measurement.
    """

    suite: Name
    reason: str = Field(min_length=1)
    commits: tuple[str, ...]
    cases: dict[str, dict[Measurement, Comparable]]


def path_of(tables: Path, suite: Suite) -> Path:
    """Where a suite's accepted results lie."""
    return tables / "accepted" / f"{suite.name}.yaml"


def load(tables: Path, suite: Suite) -> Accepted | None:
    """What has been accepted for a suite, or None if nothing has.

    Raises:
        UserError: The file is not valid.
    """
    path = path_of(tables, suite)
    if not path.is_file():
        return None
    accepted = read(path, Accepted)
    if accepted.suite != suite.name:
        raise UserError(f"{path}: suite: is '{accepted.suite}', not '{suite.name}'; accept results of this suite")
    return accepted


def digest(accepted: Accepted | None) -> str:
    """What tells these results from others that were accepted; empty for none."""
    return sha256(accepted.model_dump_json().encode()).hexdigest()[:16] if accepted else ""


def costs(accepted: Accepted | None) -> dict[str, float]:
    """What cases compute, by their id, as far as it has been accepted: giga multiply-accumulates of an image."""
    known = {
        case: of["cost"].values.get("gmacs_executed")
        for case, of in (accepted.cases if accepted else {}).items()
        if "cost" in of
    }
    return {case: float(cost) for case, cost in known.items() if cost}


def accept(
    tables: Path, suite: Suite, records: list[Record], reason: str, left_out: Collection[str] = frozenset()
) -> str:
    """Write the suite's accepted results anew; what changed, as a unified diff.

    Args:
        tables: Folder of table definitions and accepted results.
        suite: Which.
        records: What was measured.
        reason: Why it is right.
        left_out: Ids of cases of which what was accepted before stays where it was not measured.

    Raises:
        UserError: There is no reason, or a case was not measured.
    """
    if not reason.strip():
        raise UserError('reason: is empty; say why these results are right, as in `make accept REASON="..."`')
    done = {(record.case.id, record.measurement) for record in records}
    for case in suite.cases:
        for measurement in case.measurements:
            if (case.id, measurement) not in done and case.id not in left_out:
                raise UserError(f"{case.id}: {measurement} was not measured; run the suite before accepting it")
    before = load(tables, suite) if left_out else None
    kept = {name: measured for name, measured in (before.cases if before else {}).items() if name in left_out}
    judged = _judged(suite, records, suite.all_metrics())
    cases = {case.id: kept.get(case.id, {}) | judged.get(case.id, {}) for case in suite.cases}
    path = path_of(tables, suite)
    new = _text(
        Accepted(
            suite=suite.name,
            reason=reason.strip(),
            commits=tuple(sorted({str(record.provenance.get("commit")) for record in records})),
            cases={name: measured for name, measured in cases.items() if measured},
        )
    )
    old = path.read_text(encoding="utf-8") if path.is_file() else ""
    write_text(path, new)
    lines = unified_diff(old.splitlines(True), new.splitlines(True), f"{path} (before)", f"{path} (now)", n=1)
    return "".join(lines)


def _judged(suite: Suite, records: list[Record], metrics: Metrics) -> dict[str, dict[Measurement, Comparable]]:
    """Only what verdicts are about: less to review, nothing that changes from run to run without meaning anything."""
    kept = {case.id: {**judged_quantities(case, metrics[case.experiment]), "speed": KEPT_SPEED} for case in suite.cases}
    return {
        case: {
            measurement: of_case.model_copy(update={"values": _chosen(of_case.values, kept[case][measurement])})
            for measurement, of_case in measured.items()
        }
        for case, measured in comparable(records).items()
    }


def _chosen(values: Mapping[str, float | int | None], names: Sequence[str]) -> dict[str, float | int | None]:
    return {name: values[name] for name in names if name in values}


def _text(accepted: Accepted) -> str:
    head = "# What new results are compared with. Written by `make accept`; read the diff before you commit it."
    return f"{head}\n{as_yaml(accepted.model_dump(mode='json'), width=1000)}"
