"""Which bipartite matching is running, seen from an operator below it: its frame is on the stack."""

from __future__ import annotations

import sys
from types import FrameType

from hourglass.methods.merging import match
from hourglass.operators.observe import OperatorCall


class Matchings:
    """The matchings that were on the stack whenever `current` was asked."""

    def __init__(self) -> None:
        self._seen: list[tuple[FrameType, OperatorCall]] = []

    def current(self) -> tuple[OperatorCall | None, bool]:
        """The matching that is running, if one is, and whether it is seen for the first time."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code is not match.__code__:
            frame = frame.f_back
        if frame is None:
            return None, False
        new = not self._seen or self._seen[-1][0] is not frame
        if new:  # The frame is kept alive, so that no later one can be taken for it.
            batch, count, channels = frame.f_locals["tokens"].shape
            call = OperatorCall("matching", batch, count - count // 2, count // 2, channels)
            self._seen.append((frame, call))
        return self._seen[-1][1], new
