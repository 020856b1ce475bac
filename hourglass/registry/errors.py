"""The one exception that means: the user can fix this."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches


class UserError(ValueError):
    """Something the user can put right.

    The message is one line that says what is wrong, where (argument, or file and field) and what to do.
    The command line prints it without a traceback and exits with code 2.
    """


class UnknownNameError(UserError):
    """Nothing has a name.

    Args:
        kind: What the name is of: ``model``, ``field``.
        name: The name.
        known: All names that there are.
    """

    def __init__(self, kind: str, name: object, known: Sequence[str]) -> None:
        super().__init__(f"unknown {kind} '{name}'; {hint(str(name), known)}")


def hint(name: str, known: Sequence[str]) -> str:
    """What to write in place of a name that nothing has: the nearest of those ``known``, else all of them."""
    near = get_close_matches(name, known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known) or 'none'}"
