"""Where runs go: what `WANDB_MODE` says, checked before anything is started."""

from __future__ import annotations

import os

from hourglass.registry import UserError

KNOWN = ("online", "offline", "disabled")
OLD = {"run": "online", "dryrun": "offline"}
"""What the service's client still understands."""


def mode() -> str | None:
    """The mode that is asked for; None if none is.

    Raises:
        UserError: It is none of those that there are.
    """
    asked = os.environ.get("WANDB_MODE")
    if asked is None:
        return None
    found = OLD.get(asked, asked)
    if found not in KNOWN:
        said = f"is '{asked}'" if asked.strip() else "is empty"
        raise UserError(f"WANDB_MODE: {said}; set it to {', '.join(KNOWN[:-1])} or {KNOWN[-1]}, or unset it")
    return found
