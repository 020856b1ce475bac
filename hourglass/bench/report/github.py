"""A verdict as GitHub Actions shows it: annotations of a job, and its summary in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from hourglass.bench.results.verdict import Verdict, findings, in_numbers, passed, where


def commands(verdicts: Sequence[Verdict]) -> list[str]:
    """Workflow commands, one for each finding: an error if the check fails by it, a notice of an improvement.

    GitHub shows ten of a kind and step, which is why places that share a finding share an annotation.
    """
    failing = {(verdict.status, verdict.detail) for verdict in verdicts if verdict.fails}
    lines = []
    for status, detail, places in findings(verdicts):
        mild = "notice" if status == "improved" else "warning"
        level = "error" if (status, detail) in failing else mild
        lines.append(f"::{level} title={_property(status)}::{_data(f'{where(places)}: {detail}')}")
    return lines


def summary(title: str, verdicts: Sequence[Verdict], tables: Sequence[str]) -> str:
    """Whether the check passed, what was found, and tables.

    Args:
        title: Of the suite.
        verdicts: All of them.
        tables: In Markdown.
    """
    parts = [
        f"## {title}: {'passed' if passed(verdicts) else 'failed'}",
        in_numbers(verdicts),
    ]
    found = [
        f"| {status} | {_cell(where(places))} | {_cell(detail)} |" for status, detail, places in findings(verdicts)
    ]
    if found:
        parts.append("\n".join(["| Verdict | Where | What |", "| --- | --- | --- |", *found]))
    return "\n\n".join([*parts, *tables]) + "\n"


def _data(text: str) -> str:
    """As the text of a workflow command, which ends with its line."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
