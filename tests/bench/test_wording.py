"""Numbers as sentences have them."""

from __future__ import annotations

import pytest

from hourglass.bench.wording import counted, readable


@pytest.mark.parametrize(("number", "text"), [(0, "0 files"), (1, "1 file"), (2, "2 files")])
def test_one_thing_is_singular(number: int, text: str) -> None:
    assert counted(number, one="file") == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(999, "999 bytes"), (2626, "2.63 kB"), (967382037, "967 MB"), (14.2e9, "14.2 GB"), (1e13, "1e+04 GB")],
)
def test_sizes_are_readable(size: float, text: str) -> None:
    assert readable(size) == text
