"""A model at a lower resolution, against resizing its images and its output by hand."""

from __future__ import annotations

import copy
import re
from collections import namedtuple

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

from hourglass import methods
from hourglass.registry import UserError

from .test_tome import vit


class Maps(nn.Module):
    """Returns what `make` makes of images at half the resolution, in the mean of their channels."""

    def __init__(self, make):
        super().__init__()
        self.make = make
        self.sizes = []

    def forward(self, images):
        self.sizes.append(tuple(images.shape[-2:]))
        return self.make(images)


Pair = namedtuple("Pair", ["logits", "words"])


def resized(image, size, **more):
    return interpolate(image, size, mode="bilinear", align_corners=False, **more)


@torch.inference_mode()
@pytest.mark.parametrize("keyword", [False, True], ids=["positional", "keyword"])
def test_images_are_shrunk_and_maps_come_back(keyword):
    model, images = Maps(lambda images: images.square()), torch.rand(2, 3, 64, 96)
    small = resized(images, (48, 80), antialias=True)  # 0.75 of 96 is 72, and 80 the nearest multiple of 16
    assert methods.apply("resolution", model, {"scale": 0.8}) is model
    found = model(images=images) if keyword else model(images)
    torch.testing.assert_close(found, resized(small.square(), (64, 96)))
    assert model.sizes == [(48, 80)]


@torch.inference_mode()
def test_every_kind_of_output_comes_back():
    def make(images):
        small = images[:, :1]
        return {
            "depth": small[:, 0],
            "pair": Pair(logits=nn.functional.avg_pool2d(small, 4), words="as they are"),
            "classes": torch.ones(len(images), 7, 5),
            "detections": [{"boxes": torch.tensor([[1.0, 2.0, 3.0, 4.0]]), "labels": torch.ones(1)}],
        }

    model, images = methods.apply("resolution", Maps(make), {"scale": 0.5}), torch.rand(1, 3, 64, 128)
    small = resized(images, (32, 64), antialias=True)[:, :1]
    found = model(images)
    torch.testing.assert_close(found["depth"], resized(small, (64, 128))[:, 0])
    assert isinstance(found["pair"], Pair)
    torch.testing.assert_close(found["pair"].logits, resized(nn.functional.avg_pool2d(small, 4), (16, 32)))
    assert found["pair"].words == "as they are"
    assert torch.equal(found["classes"], torch.ones(1, 7, 5))
    assert found["detections"][0]["boxes"].tolist() == [[2.0, 4.0, 6.0, 8.0]]
    assert torch.equal(found["detections"][0]["labels"], torch.ones(1))


@torch.inference_mode()
def test_a_detector_of_torchvision_is_told_another_size_and_brings_its_boxes_back_itself():
    torchvision = pytest.importorskip("torchvision")
    build = torchvision.models.detection.fcos_resnet50_fpn
    torch.manual_seed(0)
    model = build(weights=None, weights_backbone=None, min_size=128, max_size=256, score_thresh=0.0).eval()
    other = copy.deepcopy(model)
    other.transform.min_size, other.transform.max_size = (64,), 128
    images, before = [torch.rand(3, 64, 96)], model([torch.rand(3, 64, 96)])
    methods.apply("resolution", model, {"scale": 0.5})
    for name, value in other(images)[0].items():
        torch.testing.assert_close(model(images)[0][name], value)
    methods.remove("resolution", model)
    assert (model.transform.min_size, model.transform.max_size) == ((128,), 256)
    assert len(before) == 1


@torch.inference_mode()
def test_a_model_with_a_size_of_its_own_is_given_a_smaller_one():
    model = Maps(lambda images: images)
    model.working_size = (64, 32)
    methods.apply("resolution", model, {"scale": 0.5, "multiple": 4})
    assert model.working_size == (32, 16)
    assert torch.equal(model(torch.ones(1, 3, 8, 8)), torch.ones(1, 3, 8, 8))
    methods.remove("resolution", model)
    assert model.working_size == (64, 32)


@torch.inference_mode()
def test_removed_it_is_the_model_it_was_and_copies_are_their_own():
    model, images = Maps(lambda images: images), torch.rand(1, 3, 64, 64)
    other = methods.apply("resolution", copy.deepcopy(model), {"scale": 0.5})
    assert torch.equal(copy.deepcopy(other)(images), other(images))
    assert torch.equal(model(images), images)
    methods.remove("resolution", other)
    assert type(other) is Maps
    assert torch.equal(other(images), images)
    with pytest.raises(UserError, match="method 'resolution': Maps is not accelerated by this method"):
        methods.remove("resolution", other)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "setting 'scale' is missing"),
        ({"scale": 1.0}, "scale must be a number above 0 and below 1, got 1.0"),
        ({"scale": 0.5, "multiple": 0}, "multiple must be an integer of at least 1, got 0"),
        ({"scal": 0.5}, "unknown setting 'scal'; did you mean 'scale'"),
    ],
)
def test_wrong_settings_are_one_line(settings, expected):
    with pytest.raises(UserError, match=re.escape(expected)):
        methods.apply("resolution", Maps(None), settings)


@torch.inference_mode()
def test_what_cannot_be_done_is_one_line():
    tokens = methods.apply("resolution", vit(dynamic_img_size=True), {"scale": 0.5})
    with pytest.raises(ValueError, match="returned neither maps of the image nor boxes"):
        tokens.forward(torch.rand(1, 3, 64, 64))
    with pytest.raises(ValueError, match=r"the first argument must be images \(B, C, H, W\), got list"):
        tokens([torch.rand(3, 64, 64)])
    with pytest.raises(UserError, match="images are made smaller in this model already: remove that first"):
        methods.apply("resolution", tokens, {"scale": 0.5})
    replaced = Maps(None)
    replaced.forward = replaced.make
    with pytest.raises(UserError, match="the forward of Maps was replaced"):
        methods.apply("resolution", replaced, {"scale": 0.5})
    with pytest.raises(UserError, match="is not accelerated by this method"):
        methods.remove("resolution", replaced)
