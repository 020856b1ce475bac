"""Which clustering, reconstruction or matching is running, seen from an operator below it.

They are pure functions that know nothing of measuring; but while they run, their frames are on the stack.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Literal

from hourglass.methods.merging import match
from hourglass.operators import ReconstructionWeights, cluster, reconstruction_weights


@dataclass(frozen=True)
class OperatorCall:
    """One call of an operator; a batch counts as so many images, windows as so many batch elements."""

    kind: Literal["clustering", "weights", "reconstruction", "matching"]
    batch: int
    tokens: int
    """N."""
    clusters: int
    """K; of a matching, the tokens that others can be merged into."""
    channels: int
    """D: of the tokens, or for a reconstruction of the map that is reconstructed."""
    iterations: int = 0
    """Of a clustering."""
    nearest: bool = False
    """Whether tokens copy their nearest center."""


class OperatorCalls:
    """The calls that were on the stack whenever `current` was asked."""

    def __init__(self) -> None:
        self.seen: list[OperatorCall] = []
        self._frames: list[FrameType] = []

    def current(self) -> OperatorCall | None:
        """The call that is running, if one is."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            reader = _READERS.get(frame.f_code)
            if reader is not None:
                return self._known(frame, reader)
            frame = frame.f_back
        return None

    def _known(self, frame: FrameType, reader: Callable[[FrameType], OperatorCall]) -> OperatorCall:
        if not self._frames or self._frames[-1] is not frame:
            self._frames.append(frame)  # kept alive, so that no later frame can be taken for it
            self.seen.append(reader(frame))
        return self.seen[-1]


def _clustering(frame: FrameType) -> OperatorCall:
    tokens, clusters = frame.f_locals["tokens"], frame.f_locals["clusters"]
    batch, count, channels = tokens.shape
    return OperatorCall("clustering", batch, count, clusters[0] * clusters[1], channels, frame.f_locals["iterations"])


def _weights(frame: FrameType) -> OperatorCall:
    tokens, centers = frame.f_locals["tokens"], frame.f_locals["centers"]
    batch, count, channels = tokens.shape
    return OperatorCall("weights", batch, count, centers.shape[1], channels, nearest=frame.f_locals["neighbors"] == 1)


def _reconstruction(frame: FrameType) -> OperatorCall:
    weights: ReconstructionWeights = frame.f_locals["self"]
    batch, tokens, _ = weights.values.shape
    return OperatorCall("reconstruction", batch, tokens, weights.centers, frame.f_locals["refined"].shape[2])


def _matching(frame: FrameType) -> OperatorCall:
    batch, count, channels = frame.f_locals["tokens"].shape
    return OperatorCall("matching", batch, count - count // 2, count // 2, channels)


_READERS: dict[CodeType, Callable[[FrameType], OperatorCall]] = {
    cluster.__code__: _clustering,
    reconstruction_weights.__code__: _weights,
    ReconstructionWeights.__call__.__code__: _reconstruction,
    match.__code__: _matching,
}
