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
        inverse = self.scale * self._predict(images * 2 - 1) + self.shift
        depth: Tensor = torch.reciprocal(inverse)
        if depth.shape[-2:] != images.shape[-2:]:
            depth = F.interpolate(depth[:, None], images.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
        return depth

    def _predict(self, images: Tensor) -> Tensor:
        """As the DPT's own forward, which takes every image for a square."""
        config = self.dpt.config
        output = self.dpt.dpt(images, output_hidden_states=True)
        taps = config.backbone_out_indices[2:] if config.is_hybrid else config.backbone_out_indices
        maps = [*(output.intermediate_activations or ()), *(output.hidden_states[tap + 1] for tap in taps)]
        rows, columns = (side // config.patch_size for side in images.shape[-2:])
        inverse: Tensor = self.dpt.head(self.dpt.neck(maps, rows, columns))
        return inverse
