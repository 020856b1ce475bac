"""Masks and stuff on a plain ViT's detector: two light heads on an encoder and a detector that are trained already.

He et al., *Mask R-CNN*, ICCV 2017 (arXiv 1703.06870), section 3, for the masks; Kirillov et al., *Panoptic Feature
Pyramid Networks*, CVPR 2019 (arXiv 1901.02446), section 3, for a dense head beside them. Here an object has one mask
whatever its class, and both heads read one map, which is finer than the tokens.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection.roi_heads import paste_masks_in_image
from torchvision.ops import roi_align

from hourglass.bench.models.detector import FcosDetector
from hourglass.bench.models.plain import TokenPyramid

SAMPLES = 14
"""Features are sampled in so many rows and columns of a box; its mask has twice as many."""


class FineMap(nn.Module):
    """One map at twice the resolution of the tokens, of those of an early block and the last ones.

    Args:
        width: Channels of the tokens.
        channels: Of the map.
    """

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.spread = nn.Conv2d(2 * width, 4 * channels, 1)
        self.smooth = nn.Sequential(
            nn.GroupNorm(8, channels),
            nn.GELU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.GroupNorm(8, channels),
            nn.GELU(),
        )

    def forward(self, early: Tensor, last: Tensor) -> Tensor:
        """Two maps of tokens (B, C, h, w) to one (B, channels, 2 h, 2 w)."""
        early = self.norm(early.movedim(1, -1)).movedim(-1, 1)
        fine: Tensor = self.smooth(F.pixel_shuffle(self.spread(torch.cat([early, last], 1)), 2))
        return fine


class MaskHead(nn.Sequential):
    """Features of boxes (N, C, r, r) to mask logits (N, 1, 2 r, 2 r).

    Args:
        channels: C.
        convolutions: Before the features are spread.
    """

    def __init__(self, channels: int, convolutions: int = 2) -> None:
        layers: list[nn.Module] = []
        for _ in range(convolutions):
            layers += [
                nn.Conv2d(channels, channels, 3, padding=1, bias=False),
                nn.GroupNorm(8, channels),
                nn.GELU(),
            ]
        super().__init__(
            *layers, nn.ConvTranspose2d(channels, channels // 2, 2, 2), nn.GELU(), nn.Conv2d(channels // 2, 1, 1)
        )


class Heads(nn.Module):
    """All that is trained on top of the detector.

    Args:
        width: Channels of the tokens.
        channels: Of the heads.
        classes: Of the stuff and the things together.
    """

    def __init__(self, width: int, channels: int, classes: int) -> None:
        super().__init__()
        self.fine = FineMap(width, channels)
        self.semantic = nn.Conv2d(channels, classes, 1)
        self.mask = MaskHead(channels)

    def masks(self, fine: Tensor, boxes: list[Tensor], stride: int) -> Tensor:
        """Mask logits (N, 1, m, m) of all boxes, image by image.

        Args:
            fine: Of the images (B, C, h, w).
            boxes: Of each image (N_i, 4), in pixels.
            stride: Pixels to a cell of ``fine``.
        """
        samples = roi_align(fine, boxes, SAMPLES, 1 / stride, sampling_ratio=2, aligned=True)
        logits: Tensor = self.mask(samples)
        return logits


class MaskDetector(FcosDetector):
    """FCOS on the simple pyramid of a plain ViT, with a mask for each box and a class for each pixel.

    Args:
        pyramid: See `FcosDetector`.
        things: Number of thing classes.
        classes: Number of all classes.
        channels: Of the two heads.
        objects: Masks that are computed of each image, whatever is found on it: what it costs does not depend on it.
        early: Index of the block whose tokens are read beside the last ones.
        convolutions: See `FcosDetector`.
        size: See `FcosDetector`.
    """

    def __init__(
        self,
        pyramid: TokenPyramid,
        *,
        things: int,
        classes: int,
        channels: int,
        objects: int,
        early: int,
        convolutions: int,
        size: tuple[int, int],
    ) -> None:
        super().__init__(pyramid, things, convolutions, size)
        self.fcos.detections_per_img = objects
        self.heads = Heads(pyramid.tokens.encoder.embed_dim, channels, classes)
        self.objects, self.early, self.stride = objects, early, pyramid.strides[0] // 2

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens of the early block and the last ones, (B, C, h, w) both, of normalised images (B, 3, H, W)."""
        return self.fcos.backbone.tokens.both(images, self.early)  # type: ignore[no-any-return]

    def forward(self, images: Tensor) -> list[dict[str, Tensor]]:
        """As `FcosDetector`, at most ``objects`` an image, with masks and classes.

        ``masks`` (N, 1, H, W) are the probability that a pixel is of the object, ``semantic`` (K, H, W) are logits.
        """
        sizes = [(int(image.shape[-2]), int(image.shape[-1])) for image in images]
        batch, _ = self.fcos.transform(list(images))
        early, last = self.features(batch.tensors)
        pyramid: Any = self.fcos.backbone
        found = self.detect(pyramid.levels(pyramid.tokens.project(last)), batch)
        fine = self.heads.fine(early, last)
        boxes = [_padded(one["boxes"], self.objects) for one in found]
        masks = self.heads.masks(fine, boxes, self.stride).sigmoid().split(self.objects)
        semantic = F.interpolate(self.heads.semantic(fine), batch.tensors.shape[-2:], mode="bilinear")
        outputs: list[dict[str, Tensor]] = self.fcos.transform.postprocess(found, batch.image_sizes, sizes)
        for output, mask, logits, used, size in zip(outputs, masks, semantic, batch.image_sizes, sizes, strict=True):
            count = len(output["boxes"])
            output["masks"] = paste_masks_in_image(mask, _padded(output["boxes"], self.objects), size)[:count]
            within = logits[None, :, : used[0], : used[1]]
            output["semantic"] = within[0] if used == size else F.interpolate(within, size, mode="bilinear")[0]
        return outputs


def _padded(boxes: Tensor, count: int) -> Tensor:
    """With empty boxes behind, until there are so many."""
    return F.pad(boxes, (0, 0, 0, count - len(boxes)))
