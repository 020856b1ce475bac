"""Scenes are what their ground truth says, and the same every time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hourglass.bench.datasets.scenes import IMAGE_SIZE, MAX_DEPTH
from hourglass.bench.datasets.scenes.categories import CATEGORIES, GRASS, SKY, STUFF, THINGS
from hourglass.bench.datasets.scenes.layout import Layout, Thing, draw_layout, rng_of
from hourglass.bench.datasets.scenes.render import SMALLEST_SEGMENT, render, render_scene


@pytest.fixture(scope="module")
def scenes():
    return [render_scene("val", index) for index in range(6)]


def test_a_scene_follows_from_split_and_index(scenes):
    again = render_scene("val", 3)
    np.testing.assert_array_equal(again.image, scenes[3].image)
    np.testing.assert_array_equal(again.depth, scenes[3].depth)
    np.testing.assert_array_equal(again.instance, scenes[3].instance)


def test_splits_share_no_scene(scenes):
    layouts = {draw_layout(rng_of(split, index)) for split in ("train", "val") for index in range(50)}
    assert len(layouts) == 100


def test_ground_truth_is_consistent(scenes):
    for scene in scenes:
        assert scene.image.shape == (*IMAGE_SIZE, 3)
        things = scene.semantic < len(THINGS)
        np.testing.assert_array_equal(things, scene.instance > 0)
        np.testing.assert_array_equal(scene.depth == 0, scene.semantic == SKY)
        assert scene.depth.max() <= MAX_DEPTH
        for number in range(1, scene.instance.max() + 1):
            mask = scene.instance == number
            assert mask.sum() >= SMALLEST_SEGMENT
            assert len(np.unique(scene.semantic[mask])) == 1


def test_nearer_things_hide_farther_ones():
    camera = draw_layout(rng_of("val", 0)).camera
    light = draw_layout(rng_of("val", 0)).light
    far, near = (Thing(category, depth, 128.0, 1.2, 1.2, seed=1) for category, depth in ((0, 9.0), (3, 5.0)))
    scene = render(Layout(camera, light, (0, 0, 1), None, (far, near), 7), np.random.default_rng(0))
    overlap = int(camera.row_of_ground(9.0)) - 4
    assert scene.semantic[overlap, 128] == near.category
    assert scene.depth[overlap, 128] == pytest.approx(5.0, abs=0.7)


def test_ground_depth_is_the_pinhole_cameras():
    layout = replace(draw_layout(rng_of("val", 1)), things=(), water=None, road=(100.0, 0.0, 1.0))
    scene = render(layout, np.random.default_rng(0))
    row = 240
    assert scene.semantic[row, 100] == GRASS
    expected = layout.camera.focal * layout.camera.height / (row + 0.5 - layout.camera.horizon)
    assert scene.depth[row, 100] == pytest.approx(expected, rel=1e-5)


def test_hardly_visible_things_are_left_out():
    layout = draw_layout(rng_of("val", 2))
    behind, front = Thing(1, 8.0, 128.0, 0.3, 0.3, seed=1), Thing(0, 7.9, 128.0, 3.0, 3.0, seed=2)
    scene = render(replace(layout, things=(behind, front)), np.random.default_rng(0))
    assert scene.instance.max() == 1
    assert 1 not in scene.semantic


def test_all_classes_appear_and_things_come_first():
    seen = np.unique(np.concatenate([np.unique(render_scene("val", index).semantic) for index in range(12)]))
    assert seen.tolist() == list(range(len(CATEGORIES)))
    assert [category.isthing for category in CATEGORIES] == [True] * len(THINGS) + [False] * len(STUFF)
