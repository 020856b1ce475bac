"""What the writer wrote, the readers of the public data sets read back exactly."""

from __future__ import annotations

import numpy as np
import pytest

from hourglass.bench.datasets.scenes.categories import CATEGORIES
from hourglass.bench.datasets.scenes.render import render_scene
from hourglass.bench.datasets.scenes.source import SOURCE
from hourglass.bench.datasets.scenes.writer import write_split
from hourglass.registry import UserError

COUNT = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("scenes")
    write_split(root, "val", COUNT)
    return root


@pytest.fixture(scope="module")
def scenes():
    return [render_scene("val", index) for index in range(COUNT)]


def read(folder, task):
    dataset = SOURCE.open(folder, task, "val")
    assert len(dataset) == COUNT
    return [dataset[index] for index in range(COUNT)]


def test_images_and_rasters(folder, scenes):
    for sample, scene in zip(read(folder, "semantic-segmentation"), scenes, strict=True):
        np.testing.assert_array_equal(sample.image.permute(1, 2, 0), scene.image)
        np.testing.assert_array_equal(sample.target, scene.semantic)
    for sample, scene in zip(read(folder, "depth-estimation"), scenes, strict=True):
        np.testing.assert_allclose(sample.target, scene.depth, atol=0.0005 + 1e-6)


def test_instances(folder, scenes):
    for sample, scene in zip(read(folder, "instance-segmentation"), scenes, strict=True):
        assert len(sample.target.labels) == scene.instance.max()
        painted = np.zeros_like(scene.instance)
        for number, mask in enumerate(sample.target.masks.numpy(), start=1):
            assert (scene.instance[mask] == number).all()
            painted[mask] = number
        np.testing.assert_array_equal(painted, scene.instance)


def test_panoptic_covers_every_pixel(folder, scenes):
    for sample, scene in zip(read(folder, "panoptic-segmentation"), scenes, strict=True):
        labels = {segment.id: segment.label for segment in sample.target.segments}
        painted = np.vectorize(labels.get)(sample.target.ids.numpy())
        np.testing.assert_array_equal(painted, scene.semantic)
        things = [s for s in sample.target.segments if CATEGORIES[s.label].isthing]
        assert len(things) == scene.instance.max()


def test_an_incomplete_folder_is_refused(folder):
    with pytest.raises(UserError, match=rf"{4 * COUNT} PNG files of the split .val. where 400 were"):
        SOURCE.verify(folder, "val")
