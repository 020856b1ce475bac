"""Code blocks of the documentation, and how they are run: in order, in one folder, as a reader would.

A block of Python runs in the namespace of those before it, a block for the shell in bash. A block with a title is a
file of that name. A comment before a block, ``<!-- not run: REASON -->``, keeps it from being run.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(
    r"""
    ^(?:\ *<!--\ not\ run:\ (?P<reason>.*?)\ -->\n+)?
    (?P<indent>\ *)```(?P<language>\w*)(?P<options>[^\n]*)\n
    (?P<text>.*?)
    ^\ *```$
    """,
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)
TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, what it is, and why it is not run, if it is not."""

    document: Path
    line: int
    language: str
    title: str | None
    text: str
    reason: str | None

    def run(self, namespace: dict[str, object]) -> None:
        if self.title:
            Path(self.title).parent.mkdir(parents=True, exist_ok=True)
            Path(self.title).write_text(self.text)
        elif self.language == "python":
            exec(compile("\n" * self.line + self.text, str(self.document), "exec"), namespace)
        elif self.language == "sh":
            subprocess.run(["bash", "-euo", "pipefail", "-c", self.text], check=True)


def blocks(document: Path) -> list[Block]:
    text = document.read_text()
    return [
        Block(
            document,
            text.count("\n", 0, found.start("language")) + 1,
            found["language"],
            title[1] if (title := TITLE.search(found["options"])) else None,
            re.sub(rf"^{found['indent']}", "", found["text"], flags=re.MULTILINE),
            found["reason"],
        )
        for found in BLOCK.finditer(text)
    ]


if __name__ == "__main__":
    shared: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(Path(sys.argv[1])):
        if block.reason is None:
            print(f"{block.document}:{block.line}", flush=True)
            block.run(shared)
