"""What stands where: a scene as numbers, before any pixel is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hourglass.bench.datasets.scenes import IMAGE_SIZE, SPLITS, VERSION
from hourglass.bench.datasets.scenes.categories import THINGS


@dataclass(frozen=True)
class Camera:
    """A pinhole camera on a vehicle: about 2 m above flat ground, looking almost level."""

    focal: float
    """Pixels."""
    height: float
    """Metres above the ground."""
    horizon: float
    """Image row of the horizon, pixels from the top."""
    center: float
    """Image column of the optical axis, pixels from the left."""

    def row_of_ground(self, depth: float) -> float:
        """Image row where the ground lies at ``depth`` metres."""
        return self.horizon + self.focal * self.height / depth


@dataclass(frozen=True)
class Light:
    """Daylight: where it comes from, how strong and how warm it is, and how much the camera adds."""

    side: float
    """-1 from the left ... 1 from the right."""
    gain: float
    warmth: float
    """Relative surplus of red over blue."""
    haze: float
    """Share of the sky's colour that 60 m of air mix in."""
    noise: float
    """Standard deviation of the sensor noise, in 8-bit levels."""


@dataclass(frozen=True)
class Thing:
    """One object standing on the ground."""

    category: int
    """Index into the categories."""
    depth: float
    """Metres from the camera."""
    x: float
    """Image column of its middle, pixels."""
    width: float
    height: float
    """Size in metres."""
    seed: int
    """Of its texture."""


@dataclass(frozen=True)
class Layout:
    """A whole scene as numbers; ``things`` are ordered from far to near."""

    camera: Camera
    light: Light
    road: tuple[float, float, float]
    """Lateral offset (m), slope and half-width (m) of the road on the ground plane."""
    water: tuple[float, float, float, float] | None
    """Middle (x, z) and semi-axes of a pond on the ground plane, metres."""
    things: tuple[Thing, ...]
    seed: int
    """Of the textures of the stuff."""


def rng_of(split: str, index: int) -> np.random.Generator:
    """The scene's own random stream: independent of every other scene, split and version."""
    return np.random.default_rng(np.random.SeedSequence([VERSION, SPLITS[split], index]))


def draw_layout(rng: np.random.Generator) -> Layout:
    """A random scene."""
    rows, columns = IMAGE_SIZE
    camera = Camera(
        focal=columns * rng.uniform(0.9, 1.0),
        height=rng.uniform(1.8, 2.2),
        horizon=rows * rng.uniform(0.35, 0.41),
        center=columns * rng.uniform(0.35, 0.65),
    )
    light = Light(
        side=rng.uniform(-1, 1),
        gain=rng.uniform(0.75, 1.15),
        warmth=rng.uniform(-0.08, 0.12),
        haze=rng.uniform(0.15, 0.5),
        noise=rng.uniform(2.0, 7.0),
    )
    road = (rng.uniform(-4, 4), rng.uniform(-0.5, 0.5), rng.uniform(1.2, 2.6))
    side = rng.choice([-1.0, 1.0])
    water = (
        (side * rng.uniform(4, 9), rng.uniform(7, 16), rng.uniform(3, 7), rng.uniform(2, 5))
        if rng.random() < 0.7
        else None
    )
    things = [_draw_thing(rng, camera) for _ in range(rng.integers(4, 10))]
    things.sort(key=lambda thing: -thing.depth)
    return Layout(camera, light, road, water, tuple(things), int(rng.integers(2**31)))


def _draw_thing(rng: np.random.Generator, camera: Camera) -> Thing:
    """An object whose foot is in the picture, or hardly below it, and which is large enough to be seen."""
    rows, columns = IMAGE_SIZE
    category = int(rng.integers(len(THINGS)))
    low, high, aspect = THINGS[category].height_low, THINGS[category].height_high, THINGS[category].aspect
    height = rng.uniform(low, high)
    nearest = camera.focal * camera.height / (rows * 1.02 - camera.horizon)
    pixels = np.exp(rng.uniform(np.log(20), np.log(120)))
    depth = max(camera.focal * height / pixels, nearest)
    return Thing(
        category=category,
        depth=float(depth),
        x=float(columns * rng.uniform(0.04, 0.96)),
        width=float(height * aspect * rng.uniform(0.88, 1.12)),
        height=float(height),
        seed=int(rng.integers(2**31)),
    )
