"""The table of supported encoders in README, made from their descriptions.

``python -m hourglass.acceleration.encoders.table README.md`` brings it up to date.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hourglass.acceleration.encoders import ENCODERS
from hourglass.acceleration.spec import EncoderSpec

BEGIN, END = "<!-- encoders: begin -->", "<!-- encoders: end -->"
_NAMES = {"mmseg": "mmsegmentation", "timm": "timm", "torchvision": "torchvision", "transformers": "transformers"}


def markdown() -> str:
    """A line for each use: framework, what its encoders are used for, their classes, and what a plan clusters."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for registered in ENCODERS.names():
        for spec in ENCODERS.get(registered):
            if isinstance(spec, EncoderSpec):
                package = spec.classes[0].split(".")[0]
                clustered = spec.clustered or ("the whole image" if spec.windows is None else "each attention window")
                row = rows.setdefault((_NAMES.get(package, package), spec.use, clustered), [])
                for target in spec.classes:
                    if (name := f"`{target.split(':')[1]}`") not in row:
                        row.append(name)
    lines = ["| framework | encoders | used for | clusters of |", "| --- | --- | --- | --- |"]
    for (framework, use, clustered), names in sorted(rows.items(), key=lambda row: row[0][0]):
        lines.append(f"| {framework} | {', '.join(names)} | {use} | {clustered} |")
    return "\n".join(lines)


def updated(text: str) -> str:
    """A document with the table between its two marks made anew.

    Raises:
        ValueError: It has no such marks.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no lines '{BEGIN}' and '{END}' that the table belongs between")
    return f"{before}{BEGIN}\n{markdown()}\n{END}{after}"


if __name__ == "__main__":
    document = Path(sys.argv[1])
    document.write_text(updated(document.read_text(encoding="utf-8")), encoding="utf-8")
