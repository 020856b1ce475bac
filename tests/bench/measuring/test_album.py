"""Pictures are kept of the same few images, and change nothing that is measured."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import hourglass
from hourglass.bench import tasks
from hourglass.bench.datasets import Category, Sample
from hourglass.bench.measuring import measure_accuracies, measure_shard, merged
from hourglass.bench.measuring.album import IMAGES, Album, spread
from hourglass.bench.measuring.running import Runner
from hourglass.bench.measuring.types import Shard
from hourglass.bench.pictures.layers import decoded

SEMANTIC = tasks.get("semantic-segmentation")


class Halves:
    """Random images whose left half is of class 0 and whose right half is of class 1."""

    name, split, fingerprint = "halves", "val", "f" * 64
    categories = (Category(0, "left", False, (200, 0, 0)), Category(1, "right", False, (0, 0, 200)))

    def __len__(self):
        return 10

    def __getitem__(self, index):
        image = torch.randint(256, (3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(index))
        labels = torch.zeros(32, 32, dtype=torch.int64)
        labels[:, 16:] = 1
        return Sample(index, image, labels, f"half{index}")


class Segmenter(nn.Module):
    def __init__(self):
        super().__init__()
        import timm

        torch.manual_seed(0)
        self.encoder = timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=4, depth=4, num_classes=0)

    def forward(self, images):
        tokens = self.encoder.forward_features(images)[:, 1:]
        scores = tokens[..., :2].transpose(1, 2).unflatten(2, (8, 8))
        return nn.functional.interpolate(scores, images.shape[-2:])


@pytest.fixture(scope="module")
def runner():
    model = hourglass.apply(Segmenter().eval(), hourglass.Plan(2, (4, 4)))
    return Runner(model, torch.device("cpu"), torch.float32)


def measured(runner, **more):
    return measure_accuracies(runner, [(Halves(), SEMANTIC)], batch=3, **more)[0]


def test_the_images_are_spread_over_the_split():
    assert spread(100) == {12, 37, 62, 87}
    assert spread(2) == {0, 1}
    assert spread(0) == set()
    assert all(len(spread(count)) == IMAGES and max(spread(count)) < count for count in (4, 7, 5000))


def test_pictures_change_no_digit(runner):
    without, found = measured(runner), measured(runner, gallery=True)
    entries = found.pop("gallery")
    assert found == without
    assert [entry["name"] for entry in entries] == ["half1", "half3", "half6", "half8"]
    assert all(set(entry["pictures"]) == {"image", "truth", "prediction", "clusters"} for entry in entries)


def test_pictures_show_what_is_predicted_and_joined(runner):
    entry = measured(runner, gallery=True)["gallery"][2]
    sample = Halves()[6]
    with torch.inference_mode():
        labels = runner.model(sample.image[None].float() / 255).argmax(1)[0].numpy()
    prediction, truth = (decoded(entry["pictures"][kind]) for kind in ("prediction", "truth"))
    assert ((prediction[..., 2] == 200) == labels.astype(bool)).all()
    assert (truth[:, 16:, :3] == (0, 0, 200)).all()
    photo = decoded(entry["pictures"]["image"])[..., :3].astype(int)
    assert abs(photo.mean((0, 1)) - sample.image.float().mean((1, 2)).numpy()).max() < 4
    assert entry["values"]["pixel_accuracy"] == pytest.approx((labels == sample.target.numpy()).mean())


def test_the_place_in_a_batch_does_not_matter(runner):
    chosen = [measure_accuracies(runner, [(Halves(), SEMANTIC)], batch=batch, gallery=True)[0] for batch in (1, 5)]
    first, second = ([decoded(e["pictures"]["clusters"])[..., 3] > 0 for e in each["gallery"]] for each in chosen)
    for alone, together in zip(first, second, strict=True):
        assert 0.01 < alone.mean() < 0.9
        assert (alone != together).mean() < 0.02


def test_shards_keep_the_same_pictures(runner):
    parts = [measure_shard(runner, Halves(), SEMANTIC, Shard(k, 3), batch=3, gallery=True) for k in (1, 2, 3)]
    assert merged("semantic-segmentation", parts) == measured(runner, gallery=True)


def test_what_cannot_be_drawn_is_said_and_loses_nothing():
    album = Album(SEMANTIC, Halves.categories, frozenset({0}))
    album.add(range(1), [Halves()[0]], [torch.full((32, 32), np.nan)], None)
    (entry,) = album.entries
    assert entry["name"] == "half0"
    assert entry["error"]
    assert "pictures" not in entry


def test_a_task_that_nobody_can_draw_keeps_nothing():
    class Counting:
        name = "counting"

    album = Album(Counting(), (), frozenset({0}))
    assert not album.wants(range(1))
