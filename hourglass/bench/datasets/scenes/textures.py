"""Value noise: the one texture everything else is made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class ValueNoise:
    """Smooth random field on the plane, periodic over a 64 x 64 lattice.

    Args:
        seed: Seed of the lattice values.
    """

    size = 64

    def __init__(self, seed: int) -> None:
        self.lattice = np.random.default_rng(seed).random((self.size, self.size), dtype=np.float32)

    def __call__(self, x: Array, y: Array) -> Array:
        """Noise in [0, 1] at the points (x, y), in lattice units: bilinear between lattice values, smoothed."""
        column, row = np.floor(x), np.floor(y)
        u, v = x - column, y - row
        u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
        left, top = column.astype(np.int64) % self.size, row.astype(np.int64) % self.size
        right, bottom = (left + 1) % self.size, (top + 1) % self.size
        upper = self.lattice[top, left] * (1 - u) + self.lattice[top, right] * u
        lower = self.lattice[bottom, left] * (1 - u) + self.lattice[bottom, right] * u
        return (upper * (1 - v) + lower * v).astype(np.float32)

    def layered(self, x: Array, y: Array) -> Array:
        """Two octaves of the noise, in [0, 1]."""
        return (0.65 * self(x, y) + 0.35 * self(2.7 * x + 11.3, 2.7 * y + 5.1)).astype(np.float32)


def stripes(phase: Array, duty: float = 0.5) -> NDArray[np.bool_]:
    """True on the first ``duty`` of every unit of ``phase``."""
    return np.mod(phase, 1.0) < duty
