"""A detector with masks finds what the detector finds; its cost is the same for every picture."""

from __future__ import annotations

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

import hourglass
from hourglass.bench.measuring.macs import count_macs
from hourglass.bench.models.detector import FcosDetector
from hourglass.bench.models.masks import MaskDetector
from hourglass.bench.models.plain import TokenPyramid

OBJECTS = 5


def pyramid() -> TokenPyramid:
    encoder = VisionTransformer(
        img_size=128,
        patch_size=8,
        embed_dim=16,
        depth=4,
        num_heads=2,
        num_classes=0,
        global_pool="",
        dynamic_img_size=True,
    )
    return TokenPyramid(encoder, channels=32)


@pytest.fixture(scope="module")
def model() -> MaskDetector:
    torch.manual_seed(0)
    made = MaskDetector(
        pyramid(), things=2, classes=4, channels=16, objects=OBJECTS, early=1, convolutions=1, size=(128, 128)
    ).eval()
    made.fcos.score_thresh = 0.0  # of what was not trained, whatever it finds
    return made


@torch.inference_mode()
def test_it_finds_what_the_detector_finds(model):
    detector = FcosDetector(pyramid(), classes=2, convolutions=1, size=(128, 128)).eval()
    detector.load_state_dict(model.state_dict(), strict=False)
    detector.fcos.score_thresh, detector.fcos.detections_per_img = 0.0, OBJECTS
    images = torch.rand(2, 3, 128, 128)
    for ours, theirs in zip(model(images), detector(images), strict=True):
        for name, value in theirs.items():
            torch.testing.assert_close(ours[name], value)


@torch.inference_mode()
def test_a_mask_lies_in_its_box(model):
    for found in model(torch.rand(2, 3, 128, 128)):
        assert len(found["masks"]) == OBJECTS
        for mask, (left, top, right, bottom) in zip(found["masks"][:, 0], found["boxes"].tolist(), strict=True):
            rows, columns = mask.nonzero().T
            assert left - 3 < columns.min() <= columns.max() < right + 3
            assert top - 3 < rows.min() <= rows.max() < bottom + 3


@torch.inference_mode()
def test_pictures_cost_the_same_whatever_is_found(model, monkeypatch):
    images = torch.rand(1, 3, 128, 128)
    full = count_macs(lambda: model(images))
    monkeypatch.setattr(model.fcos, "score_thresh", 1.0)
    [nothing] = model(images)
    assert nothing["masks"].shape == (0, 1, 128, 128)
    assert count_macs(lambda: model(images)).macs == full.macs


@torch.inference_mode()
@pytest.mark.parametrize("size", [(128, 128), (200, 300), (80, 120)])
def test_whatever_the_image_masks_and_classes_have_its_size(model, size):
    [found] = model(torch.rand(1, 3, *size))
    assert found["masks"].shape == (OBJECTS, 1, *size)
    assert found["semantic"].shape == (4, *size)
    assert found["boxes"].amax(0)[2] <= size[1]


@torch.inference_mode()
@pytest.mark.parametrize("start", [1, 3], ids=["before the early block", "after it"])
def test_the_hourglass_leaves_the_early_tokens_whole(model, start):
    images = torch.rand(1, 3, 128, 128)
    before = model.features(images)
    hourglass.apply(model, hourglass.Plan(start=start, clusters=(4, 4)))
    try:
        early, last = model.features(images)
    finally:
        hourglass.remove(model)
    assert early.shape == last.shape == before[0].shape
    assert torch.equal(early, before[0]) == (start == 3)
    assert not torch.equal(last, before[1])
