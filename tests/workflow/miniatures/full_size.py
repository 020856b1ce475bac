"""Stands in for `hourglass.bench.models.full_size`: the small models whose published key layouts the tests know."""

from __future__ import annotations

import small
from torch import Tensor, nn
from transformers import SwinConfig

from hourglass.bench.models.detector import Detector


def segmenter_ade20k() -> nn.Module:
    return small.segmenter(150)


def dpt_hybrid_nyuv2() -> nn.Module:
    model = small.dpt()
    model.dpt.dpt.embeddings.image_size = (480, 640)
    return model


def mask2former_coco_panoptic() -> nn.Module:
    return small.mask2former(133)


def mask2former_coco_instance() -> nn.Module:
    return small.mask2former(80)


def detector() -> nn.Module:
    """Keys as frameworks have them: ``backbone.`` and whatever follows."""
    swin = SwinConfig(
        image_size=64, embed_dim=16, depths=[1, 1, 2, 1], num_heads=[1, 1, 2, 2], window_size=4,
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    return Native(Detector(swin, classes=80, channels=32, convolutions=1, size=(128, 128)))


class Native(nn.Module):
    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.model = nn.ModuleDict({"backbone": backbone})

    def forward(self, images: Tensor) -> object:
        detector = self.model["backbone"]
        # Without values there are no boxes to choose from; only the backbone can be counted, as in the paper's tables.
        return detector.fcos.backbone(images) if images.is_meta else detector(images)
