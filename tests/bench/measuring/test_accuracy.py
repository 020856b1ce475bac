"""One deterministic pass over a split, with fakes for model and data."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hourglass.bench import tasks
from hourglass.bench.datasets import Category, Instances, Sample
from hourglass.bench.datasets.rasters import read_semantic
from hourglass.bench.measuring import measure_accuracy
from hourglass.bench.measuring.accuracy import score
from hourglass.bench.measuring.running import Runner, device_named
from hourglass.bench.models.inference import SlidingWindow, whole
from hourglass.registry import UserError

CPU = torch.device("cpu")


class Tiles:
    """Images of one colour each, the class being the red value."""

    name, split, fingerprint = "tiles", "val", "f" * 64
    categories = tuple(Category(i, str(i), False, (0, 0, 0)) for i in range(3))

    def __init__(self, sizes):
        self.sizes = sizes

    def __len__(self):
        return len(self.sizes)

    def __getitem__(self, index):
        image = torch.full((3, *self.sizes[index]), index % 3, dtype=torch.uint8)
        return Sample(index, image, image[0].long(), f"tile{index}")


class Reader(nn.Module):
    """Knows the classes of tiles, and remembers the shapes of its batches."""

    def __init__(self):
        super().__init__()
        self.shapes = []

    def forward(self, images):
        self.shapes.append(tuple(images.shape))
        labels = (images[:, 0] * 255).round().long()
        return nn.functional.one_hot(labels, 3).permute(0, 3, 1, 2).float()


def run(sizes, batch, **more):
    model, data = Reader(), Tiles(sizes)
    task = tasks.get("semantic-segmentation")
    scorer = score(Runner(model, CPU, torch.float32), data, task, range(len(data)), batch, **more)
    return scorer.values(), model.shapes


def test_images_of_one_size_share_a_batch():
    values, shapes = run([(4, 4)] * 5, 2)
    assert values["miou"] == 1
    assert shapes == [(2, 3, 4, 4), (2, 3, 4, 4), (1, 3, 4, 4)]


def test_images_of_another_size_start_a_new_batch():
    _, shapes = run([(4, 4), (4, 4), (4, 6), (4, 4)], 8)
    assert shapes == [(2, 3, 4, 4), (1, 3, 4, 6), (1, 3, 4, 4)]


def test_predictions_are_saved_under_the_names_of_the_images(tmp_path):
    run([(4, 4)] * 3, 2, predictions=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tile0.png", "tile1.png", "tile2.png"]
    assert (read_semantic(tmp_path / "tile2.png", range(1, 4)) == 2).all()


def test_detections_are_scored(tmp_path):
    class Boxes(Tiles):
        categories = (Category(5, "thing", True, (0, 0, 0)),)

        def __getitem__(self, index):
            box = {"bbox": [1, 1, 2, 2], "area": 4, "iscrowd": 0, "category_id": 5}
            target = Instances((8, 8), torch.tensor([0]), (box,))
            return Sample(index, torch.zeros(3, 8, 8, dtype=torch.uint8), target, str(index))

    class Finder(nn.Module):
        def forward(self, images):
            found = {"boxes": torch.tensor([[1.0, 1, 3, 3]]), "scores": torch.ones(1), "labels": torch.zeros(1).long()}
            return [found for _ in images]

    task = tasks.get("object-detection")
    runner = Runner(Finder(), CPU, torch.float32)
    scorer = score(runner, Boxes([None] * 3), task, range(3), 2, predictions=tmp_path)
    assert scorer.values()["box_ap"] == pytest.approx(1)
    assert (tmp_path / "detections.json").is_file()


SEMANTIC = tasks.get("semantic-segmentation")


def measured(model, data=None, task=SEMANTIC, precision=torch.float32, inference=whole, **more):
    runner = Runner(model, CPU, precision, inference, weights="w" * 64)
    return measure_accuracy(runner, data or Tiles([(4, 4)] * 5), task, batch=2, **more)


def test_accuracy_is_measured_on_one_thread():
    seen = []

    class Curious(Reader):
        def forward(self, images):
            seen.append(torch.get_num_threads())
            return super().forward(images)

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = measured(Curious(), images=3)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {1}
    assert found["values"]["miou"] == 1
    assert found["samples"] == {"images": 3}
    known = {"device": "cpu", "threads": 1, "attention": "explicit", "data": "f" * 64, "weights": "w" * 64}
    assert found["conditions"] == known


def test_images_go_through_the_model_as_they_should():
    """Windows of 4 x 4 of an image of 8 x 8, and depth up to 2 m only."""

    class Depths(Tiles):
        def __getitem__(self, index):
            image = torch.zeros(3, 4, 4, dtype=torch.uint8)
            return Sample(index, image, torch.tensor([[1.0, 3.0]]).repeat(4, 2), str(index))

    class Metre(Reader):
        def forward(self, images):
            self.shapes.append(tuple(images.shape))
            return torch.ones(len(images), 1, *images.shape[2:])

    model, windows = Metre(), SlidingWindow(short=8, long=8, crop=4, stride=4)
    task = tasks.get("depth-estimation", max_depth=2.0)
    found = measured(model, Depths([None] * 2), task, inference=lambda *to: windows(*to)[:, 0])
    assert set(model.shapes) == {(2, 3, 4, 4), (1, 3, 4, 4)}
    assert found["values"]["rmse_m"] == 0, "pixels beyond 2 m are not counted"


def test_more_images_than_there_are_is_an_error():
    with pytest.raises(UserError, match="images: 6 asked for, but the val split of 'tiles' has 5"):
        measured(Reader(), images=6)


def test_a_device_that_is_not_there_is_an_error():
    with pytest.raises(UserError, match="device: 'warp' is none that torch knows"):
        device_named("warp")


def test_a_seed_makes_random_models_repeat():
    class Dreamer(nn.Module):
        def forward(self, images):
            return torch.rand(len(images), 3, *images.shape[2:])

    first, again, other = (measured(Dreamer(), seed=seed)["values"]["miou"] for seed in (1, 1, 2))
    assert first == again != other


def test_mixed_precision_reaches_the_model():
    dtypes = []

    class Linear(Reader):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, images):
            dtypes.append(self.layer(images).dtype)
            return super().forward(images)

    measured(Linear(), precision=torch.bfloat16)
    assert set(dtypes) == {torch.bfloat16}
