"""Panoptic and instance segmentation with Mask2Former on Swin: transformers' model.

Cheng et al., *Masked-attention Mask Transformer for Universal Image Segmentation*, CVPR 2022 (arXiv 2112.01527).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation
from transformers.models.mask2former.modeling_mask2former import Mask2FormerForUniversalSegmentationOutput

from hourglass.bench.models.detector import IMAGENET_STD
from hourglass.bench.models.inference import IMAGENET_MEAN


class MaskSegmenter(nn.Module):
    """Mask2Former with the normalisation before it.

    Args:
        config: Of the Mask2Former, backbone included.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: Mask2FormerConfig) -> None:
        super().__init__()
        self.mask2former = Mask2FormerForUniversalSegmentation(config)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1), persistent=False)

    def forward(
        self,
        images: Tensor,
        mask_labels: list[Tensor] | None = None,
        class_labels: list[Tensor] | None = None,
    ) -> Mask2FormerForUniversalSegmentationOutput:
        """Class logits (B, Q, K + 1) and mask logits (B, Q, H / 4, W / 4) of RGB images (B, 3, H, W) in [0, 1].

        Args:
            images: The batch.
            mask_labels: For training: (N, H, W) float masks of each image's segments.
            class_labels: For training: (N,) class indices of each image's segments.
        """
        output: Mask2FormerForUniversalSegmentationOutput = self.mask2former(
            (images - self.mean) / self.std, mask_labels=mask_labels, class_labels=class_labels
        )
        return output
