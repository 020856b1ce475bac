"""From a layout to pixels, depth and segments, exactly."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hourglass.bench.datasets.scenes import IMAGE_SIZE, MAX_DEPTH
from hourglass.bench.datasets.scenes.categories import GRASS, HILL, ROAD, SKY, WATER
from hourglass.bench.datasets.scenes.layout import Layout, Light, Thing, draw_layout, rng_of
from hourglass.bench.datasets.scenes.objects import PAINTERS
from hourglass.bench.datasets.scenes.textures import Array, ValueNoise, stripes

SMALLEST_SEGMENT = 24
"""Pixels. A thing of which less would be visible is left out: nobody could label it."""


@dataclass(frozen=True)
class Scene:
    """A rendered scene of H x W pixels."""

    image: NDArray[np.uint8]
    """(H, W, 3) RGB."""
    depth: Array
    """(H, W) metres; 0 where there is none (sky)."""
    semantic: NDArray[np.uint8]
    """(H, W) class index."""
    instance: NDArray[np.uint8]
    """(H, W): 0 for stuff, 1, 2, ... for the visible things, far to near."""


def render_scene(split: str, index: int) -> Scene:
    """The ``index``-th scene of a split."""
    rng = rng_of(split, index)
    return render(draw_layout(rng), rng)


def render(layout: Layout, rng: np.random.Generator) -> Scene:
    """Draw the stuff, then the things from far to near, then light, air and sensor.

    Args:
        layout: The scene as numbers. Things of which too little would be visible are left out.
        rng: Source of the sensor noise.
    """
    canvas = _draw(layout)
    areas = np.bincount(canvas.instance.ravel(), minlength=len(layout.things) + 1)[1:]
    if areas.min(initial=SMALLEST_SEGMENT) < SMALLEST_SEGMENT:
        kept = tuple(thing for thing, area in zip(layout.things, areas, strict=True) if area >= SMALLEST_SEGMENT)
        canvas = _draw(replace(layout, things=kept))
    image = _expose(canvas, layout.light, rng)
    depth = np.where(canvas.semantic == SKY, 0, canvas.depth).astype(np.float32)
    return Scene(image, depth, canvas.semantic, canvas.instance)


@dataclass(frozen=True)
class _Canvas:
    """What is being drawn on, in place."""

    albedo: Array
    depth: Array
    semantic: NDArray[np.uint8]
    instance: NDArray[np.uint8]


def _draw(layout: Layout) -> _Canvas:
    canvas = _stuff(layout)
    for number, thing in enumerate(layout.things, start=1):
        _stand(layout, thing, number, canvas)
    return canvas


def _stuff(layout: Layout) -> _Canvas:
    rows, columns = IMAGE_SIZE
    camera, noise = layout.camera, ValueNoise(layout.seed)
    v, u = np.mgrid[0:rows, 0:columns].astype(np.float32) + np.float32(0.5)
    below = np.maximum(v - camera.horizon, 1e-3)
    z = np.minimum(camera.focal * camera.height / below, MAX_DEPTH).astype(np.float32)
    x = ((u - camera.center) * z / camera.focal).astype(np.float32)

    semantic = np.full(IMAGE_SIZE, GRASS, np.uint8)
    offset, slope, half_width = layout.road
    across = x - offset - slope * z - 0.6 * np.sin(z / 6)
    semantic[np.abs(across) < half_width] = ROAD
    if layout.water is not None:
        middle_x, middle_z, semi_x, semi_z = layout.water
        shore = 0.25 * (noise(x * 0.9, z * 0.9) - 0.5)
        semantic[((x - middle_x) / semi_x) ** 2 + ((z - middle_z) / semi_z) ** 2 < 1 + shore] = WATER
    ridge = camera.horizon - rows * (0.05 + 0.16 * noise.layered(u / 60, np.full_like(u, layout.seed % 61)))
    semantic[v < camera.horizon + 1.5] = HILL
    semantic[v < ridge] = SKY

    fine = noise.layered(x * 2.2, z * 2.2)[..., None]
    blades = noise(u / 1.7, v / 3.1)[..., None]
    looks = {
        SKY: np.array([0.45, 0.66, 0.92])
        + 0.45 * np.clip(noise.layered(u / 45, v / 18) - 0.5, 0, 1)[..., None]
        + 0.15 * (v / camera.horizon)[..., None],
        HILL: np.array([0.36, 0.34, 0.46]) + 0.22 * (noise.layered(u / 9, v / 5)[..., None] - 0.5),
        GRASS: np.array([0.30, 0.50, 0.16]) * (0.55 + 0.5 * fine + 0.45 * blades),
        ROAD: np.where((stripes(z / 2.5) & (np.abs(across) < 0.1))[..., None], 0.9, 0.36 + 0.14 * (fine - 0.5)),
        WATER: np.array([0.14, 0.42, 0.52]) + 0.3 * np.clip(noise(x * 0.8, v * 0.9) - 0.62, 0, 1)[..., None],
    }
    albedo = np.zeros((*IMAGE_SIZE, 3), np.float32)
    for category, look in looks.items():
        np.copyto(
            albedo, np.broadcast_to(look, albedo.shape), where=(semantic == category)[..., None], casting="unsafe"
        )
    depth = np.where((semantic == HILL) | (semantic == SKY), MAX_DEPTH, z).astype(np.float32)
    return _Canvas(albedo, depth, semantic, np.zeros(IMAGE_SIZE, np.uint8))


def _stand(layout: Layout, thing: Thing, number: int, canvas: _Canvas) -> None:
    """Draw one thing and its shadow over everything farther away."""
    rows, columns = IMAGE_SIZE
    camera, light = layout.camera, layout.light
    scale = camera.focal / thing.depth
    foot, half_width, height = camera.row_of_ground(thing.depth), thing.width * scale / 2, thing.height * scale

    top, bottom = max(int(foot - height), 0), min(int(np.ceil(foot)), rows)
    left, right = max(int(thing.x - half_width), 0), min(int(np.ceil(thing.x + half_width)) + 1, columns)
    if top >= bottom or left >= right:
        return
    _cast_shadow(canvas, light, thing.x, foot, half_width)
    window = (slice(top, bottom), slice(left, right))
    v, u = np.mgrid[top:bottom, left:right].astype(np.float32) + np.float32(0.5)
    s, t = (u - thing.x) / half_width, (foot - v) / height
    look = PAINTERS[thing.category](s.astype(np.float32), t.astype(np.float32), ValueNoise(thing.seed))
    mask = look.mask & (t >= 0) & (t <= 1) & (np.abs(s) <= 1)
    shade = 0.72 + 0.28 * np.clip(light.side * s, -1, 1) * (0.4 + 0.6 * (look.relief > 0)) + 0.18 * look.relief
    np.copyto(canvas.albedo[window], look.albedo * shade[..., None].astype(np.float32), where=mask[..., None])
    surface = thing.depth - look.relief * thing.width / 2
    np.copyto(canvas.depth[window], np.maximum(surface, 0.3).astype(np.float32), where=mask)
    canvas.semantic[window][mask] = thing.category
    canvas.instance[window][mask] = number


def _cast_shadow(canvas: _Canvas, light: Light, x: float, foot: float, half_width: float) -> None:
    rows, columns = IMAGE_SIZE
    middle = x - 0.8 * light.side * half_width
    top, bottom = max(int(foot - 0.35 * half_width), 0), min(int(foot + 0.35 * half_width) + 1, rows)
    left, right = max(int(middle - 1.3 * half_width), 0), min(int(middle + 1.3 * half_width) + 1, columns)
    if top >= bottom or left >= right:
        return
    v, u = np.mgrid[top:bottom, left:right].astype(np.float32)
    inside = ((u - middle) / (1.3 * half_width)) ** 2 + ((v - foot) / (0.3 * half_width + 1)) ** 2 < 1
    on_ground = np.isin(canvas.semantic[top:bottom, left:right], (GRASS, ROAD))
    canvas.albedo[top:bottom, left:right][inside & on_ground] *= np.float32(0.55)


def _expose(canvas: _Canvas, light: Light, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Haze, colour of the light, sensor noise, 8 bits."""
    air = (light.haze * np.clip(canvas.depth / MAX_DEPTH, 0, 1))[..., None]
    image = canvas.albedo * (1 - air) + air * np.array([0.72, 0.78, 0.86], np.float32)
    image = image * light.gain * np.array([1 + light.warmth, 1.0, 1 - light.warmth], np.float32)
    noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(light.noise)
    levels: NDArray[np.uint8] = np.clip(np.rint(image * 255 + noise), 0, 255).astype(np.uint8)
    return levels
