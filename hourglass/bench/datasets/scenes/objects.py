"""How each thing class looks: silhouette, colours and relief on its own little canvas.

Every painter takes canvas coordinates, s from -1 (left) to 1 (right) and t from 0 (foot) to 1 (top).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hourglass.bench.datasets.scenes.textures import Array, ValueNoise, stripes


@dataclass(frozen=True)
class Look:
    """One object on its canvas of h x w pixels."""

    mask: NDArray[np.bool_]
    """(h, w): where the object is."""
    albedo: Array
    """(h, w, 3) in [0, 1]: its colour under white light."""
    relief: Array
    """(h, w): how far the surface bulges towards the camera, in half-widths of the object."""


def crate(s: Array, t: Array, noise: ValueNoise) -> Look:
    """A wooden box: horizontal planks and a frame."""
    frame = (np.abs(s) > 0.78) | (t < 0.11) | (t > 0.89)
    planks = stripes(t * 4.5, 0.12) & ~frame
    grain = noise(s * 3, t * 24)[..., None]
    albedo = np.where(frame[..., None], (0.50, 0.33, 0.16), (0.72, 0.50, 0.26)) * (0.8 + 0.4 * grain)
    albedo = np.where(planks[..., None], albedo * 0.45, albedo)
    return Look(np.abs(s) <= 1, albedo.astype(np.float32), np.zeros_like(s))


def ball(s: Array, t: Array, noise: ValueNoise) -> Look:
    """A beach ball: red and white sectors on a sphere."""
    y = 2 * t - 1
    radius = np.sqrt(s * s + y * y)
    bulge = np.sqrt(np.clip(1 - radius * radius, 0, 1))
    sectors = stripes(np.arctan2(y, s + 0.35) / (2 * np.pi) * 5 + noise.lattice[0, 0])
    albedo = np.where(sectors[..., None], (0.85, 0.10, 0.16), (0.95, 0.93, 0.90))
    return Look(radius <= 1, albedo.astype(np.float32), bulge.astype(np.float32))


def cone(s: Array, t: Array, noise: ValueNoise) -> Look:
    """A traffic cone: orange with two white bands on a square foot."""
    half_width = np.where(t < 0.09, 1.0, 0.74 * (1 - t) + 0.06)
    bands = ((t > 0.32) & (t < 0.46)) | ((t > 0.60) & (t < 0.72))
    albedo = np.where(bands[..., None], (0.95, 0.95, 0.95), (0.98, 0.42, 0.05))
    albedo = albedo * (0.9 + 0.2 * noise(s * 4, t * 4)[..., None])
    bulge = np.sqrt(np.clip(half_width**2 - s * s, 0, 1))
    return Look(np.abs(s) <= half_width, albedo.astype(np.float32), bulge.astype(np.float32))


def barrel(s: Array, t: Array, noise: ValueNoise) -> Look:
    """A steel drum: blue, with dark hoops and rust."""
    half_width = 0.86 + 0.14 * np.sin(np.pi * t)
    hoops = (np.abs(t - 0.3) < 0.045) | (np.abs(t - 0.7) < 0.045) | (t > 0.94)
    rust = noise.layered(s * 3, t * 5) > 0.72
    albedo = np.where(hoops[..., None], (0.08, 0.10, 0.20), (0.10, 0.30, 0.72))
    albedo = np.where(rust[..., None], (0.42, 0.22, 0.12), albedo)
    bulge = np.sqrt(np.clip(half_width**2 - s * s, 0, 1))
    return Look(np.abs(s) <= half_width, albedo.astype(np.float32), bulge.astype(np.float32))


def sign(s: Array, t: Array, noise: ValueNoise) -> Look:
    """A road sign: a yellow diamond with a black rim on a thin pole."""
    board = np.abs(s) + np.abs((t - 0.74) / 0.26)
    on_board = board <= 1
    pole = (np.abs(s) < 0.11) & (t < 0.6)
    dark = (board > 0.78) | (board < 0.28)
    face = np.where(dark[..., None], (0.07, 0.07, 0.06), (0.98, 0.82, 0.10))
    albedo = np.where(on_board[..., None], face, (0.55, 0.56, 0.60)) * (0.92 + 0.16 * noise(s * 5, t * 9)[..., None])
    return Look(on_board | pole, albedo.astype(np.float32), np.zeros_like(s))


def bush(s: Array, t: Array, noise: ValueNoise) -> Look:
    """A shrub: a ragged dark green blob with light leaves and berries."""
    y = 2 * t - 0.9
    angle = np.arctan2(y, s)
    edge = 0.72 + 0.36 * (noise(3 + 2.2 * np.cos(angle), 3 + 2.2 * np.sin(angle)) - 0.35)
    radius = np.sqrt(s * s + np.where(y < 0, 0.7, 0.85) * y * y)
    leaves = noise.layered(s * 9, t * 9)[..., None]
    albedo = np.array([0.05, 0.22, 0.10]) + leaves**2 * np.array([0.16, 0.42, 0.10])
    berries = noise(s * 13 + 7, t * 13 + 3) > 0.86
    albedo = np.where(berries[..., None], (0.65, 0.10, 0.45), albedo)
    bulge = np.sqrt(np.clip(1 - radius * radius, 0, 1))
    return Look(radius <= edge, albedo.astype(np.float32), bulge.astype(np.float32))


PAINTERS: tuple[Callable[[Array, Array, ValueNoise], Look], ...] = (crate, ball, cone, barrel, sign, bush)
"""In the order of the thing classes."""
