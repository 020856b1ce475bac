"""Memory that a process keeps while it times what it runs.

The C library gives a large block back to the kernel when it is freed, and gets it back page by page, each one cleared,
when the next pass asks for it. That takes a tenth of a pass of a small model, more where other processes clear pages
too, and differs with what ran before: none of it is the model's.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

# Numbers of parameters, from malloc.h of glibc.
TRIM_THRESHOLD, MMAP_MAX = -1, -4
NEVER_TRIM, NEVER_MAP = -1, 0
USUAL_MMAP_MAX, USUAL_TRIM_THRESHOLD = 65_536, 64 << 20
"""What glibc has from the beginning, and what it comes to by itself in a process that uses large blocks."""


@contextmanager
def kept_memory() -> Iterator[None]:
    """Within it, the C library keeps what is freed and gives it out again; afterwards the kernel gets it back.

    With glibc only: with another C library nothing changes.
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(MMAP_MAX, NEVER_MAP)
    libc.mallopt(TRIM_THRESHOLD, NEVER_TRIM)
    try:
        yield
    finally:
        libc.mallopt(MMAP_MAX, USUAL_MMAP_MAX)
        libc.mallopt(TRIM_THRESHOLD, USUAL_TRIM_THRESHOLD)
        libc.malloc_trim(0)
