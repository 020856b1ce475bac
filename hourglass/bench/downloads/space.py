"""Room on the disk: asked for before it is needed, and a clear word when it runs out all the same."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hourglass.bench.storage.files import FULL
from hourglass.bench.wording import readable
from hourglass.registry import UserError


@contextmanager
def require_space(folder: Path, what: str, size: int) -> Iterator[None]:
    """Make sure that ``size`` bytes fit into ``folder`` before they are written inside this context.

    Raises:
        UserError: They do not, or the disk runs full while they are written.
    """
    free = shutil.disk_usage(folder).free
    remedy = "make room there, or name another place with --data; what is there already is kept"
    if size > free:
        raise UserError(f"{folder}: {what} needs {readable(size)}, of which {readable(free)} are free; {remedy}")
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise UserError(f"{folder}: the disk ran full while {what} was written; {remedy}") from error
