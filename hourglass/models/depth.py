"""Monocular depth with DPT: transformers' model, in metres.

Ranftl et al., *Vision Transformers for Dense Prediction*, ICCV 2021 (arXiv 2103.13413).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import DPTConfig, DPTForDepthEstimation


class DepthEstimator(nn.Module):
    """DPT with the normalisation before it and the conversion to metres after it.

    Args:
        config: Of the DPT.
        scale: Metres^-1 that one unit of the network's output adds to the inverse depth.
        shift: Inverse depth at an output of zero, in metres^-1: the reciprocal of the farthest depth.
    """

    def __init__(self, config: DPTConfig, scale: float, shift: float) -> None:
        super().__init__()
        self.dpt = DPTForDepthEstimation(config)
        self.scale = scale
        self.shift = shift

    def forward(self, images: Tensor) -> Tensor:
        """RGB images (B, 3, H, W) in [0, 1] to depth (B, H, W) in metres."""
        inverse = self.scale * self.dpt(images * 2 - 1).predicted_depth + self.shift
        depth: Tensor = torch.reciprocal(inverse)
        if depth.shape[-2:] != images.shape[-2:]:
            depth = F.interpolate(depth[:, None], images.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
        return depth
