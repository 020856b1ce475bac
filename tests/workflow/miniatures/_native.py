"""A detector whose keys are those of frameworks: ``backbone.`` and whatever follows."""

from __future__ import annotations

from torch import Tensor, nn
from transformers import SwinConfig

from hourglass.bench.models.detector import FcosDetector, SwinPyramid


class Native(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        swin = SwinConfig(
            image_size=64, embed_dim=16, depths=[1, 1, 2, 1], num_heads=[1, 1, 2, 2], window_size=4,
            out_features=["stage2", "stage3", "stage4"],
        )  # fmt: skip
        backbone = FcosDetector(SwinPyramid(swin, channels=32), classes=80, convolutions=1, size=(128, 128))
        self.model = nn.ModuleDict({"backbone": backbone})

    def forward(self, images: Tensor) -> object:
        detector = self.model["backbone"]
        # Without values there are no boxes to choose from; only the backbone can be counted, as in the paper's tables.
        return detector.fcos.backbone(images) if images.is_meta else detector(images)
