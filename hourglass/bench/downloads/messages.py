"""What others said, fit to be shown."""

from __future__ import annotations

import re


def clean(text: object) -> str:
    """What a server, library or catalogue says, in one line without control characters and credentials."""
    line = re.sub(r"//[^/\s]*@", "//", " ".join(str(text).split()))
    return "".join(character for character in line if character.isprintable())[:500]
