"""The one exception that means: the user can fix this."""

from __future__ import annotations


class UserError(ValueError):
    """Something the user can put right.

    The message is one line that says what is wrong, where (argument, or file and field) and what to do.
    The command line prints it without a traceback and exits with code 2.
    """
