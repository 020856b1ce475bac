from __future__ import annotations

from hourglass.bench.report.github import commands, summary
from hourglass.bench.results.verdict import Status, Verdict


def verdict(status: Status, detail: str = "", case: str = "c1", *, fails: bool = False) -> Verdict:
    return Verdict(case, "accuracy", "miou", status, 0.5, 0.6, detail, fails)


VERDICTS = [
    verdict("pass"),
    verdict("regressed", "0.5 now, 0.6 accepted", fails=True),
    verdict("not comparable", "machine: a | b", "c2"),
    verdict("not comparable", "machine: a | b", "c3"),
    verdict("improved", "100% now,\n0.4 accepted", "c4"),
]


def test_findings_are_annotations_that_are_as_loud_as_they_matter() -> None:
    assert commands(VERDICTS) == [
        "::error title=regressed::c1: accuracy miou: 0.5 now, 0.6 accepted",
        "::warning title=not comparable::c2: accuracy miou and 1 other: machine: a | b",
        "::notice title=improved::c4: accuracy miou: 100%25 now,%0A0.4 accepted",
    ]
    assert commands([verdict("pass")]) == []


def test_a_summary_has_verdict_findings_and_tables() -> None:
    text = summary("A suite", VERDICTS, ["### Headline\n\n| a |\n"])
    assert text.startswith("## A suite: failed\n\n1 pass, 1 regressed, 2 not comparable, 1 improved\n\n| Verdict |")
    assert "| not comparable | c2: accuracy miou and 1 other | machine: a \\| b |\n" in text
    assert "| improved | c4: accuracy miou | 100% now, 0.4 accepted |\n\n### Headline" in text
    assert summary("A suite", [verdict("pass")], []) == "## A suite: passed\n\n1 pass\n"
