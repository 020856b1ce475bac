"""Images of any size go through models of one size, and outputs come back where they belong."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from hourglass.bench import models
from hourglass.bench.models.inference import IMAGENET_MEAN, ShortSide, SlidingWindow, resized

RNG = torch.Generator().manual_seed(0)


def noise(*shape):
    return torch.randint(0, 256, shape, generator=RNG).float() / 255


def borderline(images):
    """Logits that depend on where in the window a pixel is."""
    columns = torch.linspace(0, 1, images.shape[-1])
    rows = torch.linspace(0, 2, images.shape[-2])[:, None]
    return torch.cat([images[:, :2] * columns, images[:, 1:] + rows], dim=1)


# Beginnings of windows, as mmsegmentation's slide mode has them.
@pytest.mark.parametrize(
    ("window", "side", "expected"),
    [
        (SlidingWindow(640, 2560, 640, 640), 640, [0]),
        (SlidingWindow(640, 2560, 640, 640), 853, [0, 213]),
        (SlidingWindow(640, 2560, 640, 640), 1280, [0, 640]),
        (SlidingWindow(640, 2560, 640, 640), 400, [0]),
        (SlidingWindow(1024, 2048, 768, 512), 1024, [0, 256]),
        (SlidingWindow(1024, 2048, 768, 512), 2048, [0, 512, 1024, 1280]),
        (SlidingWindow(520, 4160, 480, 320), 520, [0, 40]),
        (SlidingWindow(520, 4160, 480, 320), 800, [0, 320]),
        (SlidingWindow(520, 4160, 480, 320), 801, [0, 320, 321]),
    ],
)
def test_the_last_window_ends_at_the_border(window, side, expected):
    spans = list(window.spans(side))
    assert [begin for begin, _ in spans] == expected
    assert all(end - begin == min(window.crop, side) for begin, end in spans)
    assert spans[-1][1] == side


@pytest.mark.parametrize(
    ("inference", "size", "expected"),
    [
        (SlidingWindow(640, 2560, 640, 640), (512, 683), (640, 854)),
        (SlidingWindow(640, 2560, 640, 640), (200, 1000), (512, 2560)),
        (SlidingWindow(1024, 2048, 768, 512), (1024, 2048), (1024, 2048)),
        (SlidingWindow(520, 4160, 480, 320), (500, 375), (693, 520)),
        (ShortSide(800, 1333), (480, 640), (800, 1067)),
        (ShortSide(800, 1333), (320, 640), (667, 1333)),
        (ShortSide(800, 1333), (88, 44), (1333, 666)),  # 666.5 less a rounding error: detectron2 rounds down
        (ShortSide(640, 2560), (1500, 300), (2560, 512)),
    ],
)
def test_images_keep_their_proportions(inference, size, expected):
    assert inference.size(*size) == expected


@pytest.mark.parametrize("size", [(20, 50), (16, 16), (33, 16), (20, 12)])
def test_overlapping_logits_are_averaged(size):
    window = SlidingWindow(min(size), max(size), crop=16, stride=12)
    images = noise(2, 3, *size)
    logits = window(borderline, images)
    for row in (0, 11, size[0] // 2, size[0] - 1):
        for column in (0, size[1] // 2, size[1] - 1):
            seen = [
                borderline(images[..., top:bottom, left:right])[..., row - top, column - left]
                for top, bottom in window.spans(size[0])
                for left, right in window.spans(size[1])
                if top <= row < bottom and left <= column < right
            ]
            torch.testing.assert_close(logits[..., row, column], torch.stack(seen).mean(0))


def test_windows_of_one_image_do_not_depend_on_the_others():
    window, images = SlidingWindow(24, 96, crop=16, stride=16), noise(3, 3, 20, 30)
    together = window(borderline, images)
    assert together.shape == (3, 4, 24, 36)
    assert torch.equal(together, torch.cat([window(borderline, image[None]) for image in images]))


def test_resized_images_have_the_levels_of_files():
    images = noise(1, 3, 40, 60)
    assert resized(images, (40, 60), antialias=True) is images
    for antialias in (False, True):
        levels = resized(images, (13, 21), antialias=antialias) * 255
        torch.testing.assert_close(levels, levels.round(), atol=1e-4, rtol=0)
    smooth, sharp = (resized(images, (13, 21), antialias=antialias).std() for antialias in (True, False))
    assert smooth < 0.7 * sharp


class Queries:
    """Claims for its one query the pixels that are brighter than the mean; remembers what it saw."""

    def __call__(self, images):
        self.seen = images
        masks = F.avg_pool2d(images.mean(1, keepdim=True), 4) - 0.5
        return SimpleNamespace(masks_queries_logits=masks, class_queries_logits=torch.zeros(len(images), 1, 3))


def test_padding_is_what_the_model_subtracts_and_leaves_again():
    model, images = Queries(), torch.ones(2, 3, 30, 50)
    output = ShortSide(60, 200)(model, images)
    assert model.seen.shape == (2, 3, 64, 128)
    assert (model.seen[..., :60, :100] == 1).all()
    mean = torch.tensor(IMAGENET_MEAN).view(3, 1, 1)
    assert torch.equal(model.seen[..., 60:, :], mean.expand(2, 3, 4, 128))
    assert torch.equal(model.seen[..., 100:], mean.expand(2, 3, 64, 28))
    assert output.masks_queries_logits.shape == (2, 1, 60, 100)
    assert (output.masks_queries_logits[..., :56, :96] == 0.5).all()


def test_outputs_of_the_model_are_not_changed():
    kept = Queries()(torch.ones(1, 3, 64, 64))
    before = kept.masks_queries_logits
    ShortSide(64, 64)(lambda _: kept, torch.ones(1, 3, 64, 64))
    assert kept.masks_queries_logits is before


def test_boxes_come_back_to_the_original_image():
    def model(images):
        assert images.shape == (1, 3, 96, 128)
        boxes = torch.tensor([[0.0, 0.0, 120.0, 90.0], [60.0, 45.0, 500.0, 500.0]])
        return [{"boxes": boxes, "scores": torch.ones(2), "labels": torch.zeros(2)}]

    (found,) = ShortSide(90, 1333)(model, noise(1, 3, 30, 40))
    assert found["boxes"].tolist() == [[0, 0, 40, 30], [20, 15, 40, 30]]
    assert found["scores"].tolist() == [1, 1]


@pytest.mark.parametrize("name", models.MODELS.names())
def test_cost_is_counted_on_an_image_the_protocol_makes_one_pass_of(name):
    known = models.card(name)
    if isinstance(known.run_inference, SlidingWindow):
        assert known.image_size == (known.run_inference.crop, known.run_inference.crop)
    elif isinstance(known.run_inference, ShortSide):
        assert all(side % known.run_inference.multiple == 0 for side in known.image_size)
