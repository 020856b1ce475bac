"""A convolutional stem for a plain ViT, for data sets too small to learn edges and textures from whole patches.

After Xiao et al., *Early Convolutions Help Transformers See Better*, NeurIPS 2021 (arXiv 2106.14881). There the stem
takes the place of the patch embedding; here it is added to it, and adds nothing before it is trained, so that an
encoder trained without a stem starts from what it knows.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from timm.layers import PatchEmbed
from torch import Tensor, nn

STEM_CHANNELS = 128
_GROUPS = 8


class PatchesAndStem(PatchEmbed):  # type: ignore[misc]
    """timm's patch embedding plus a convolutional stem, for patches of 8 x 8 pixels.

    Args:
        embed_dim: Channels of a token.
        settings: The others of timm's ``PatchEmbed``.

    Raises:
        ValueError: The patches have another size, or the output is no grid.
    """

    def __init__(self, *, embed_dim: int, **settings: Any) -> None:
        super().__init__(embed_dim=embed_dim, **settings)
        if self.patch_size != (8, 8) or self.flatten:
            raise ValueError("the stem is for a grid of patches of 8 x 8 pixels")
        self.stem = nn.Sequential(
            _convolution(3, 32, stride=2),
            _convolution(32, 64, stride=2),
            _Residual(64),
            _convolution(64, STEM_CHANNELS, stride=2),
            _Residual(STEM_CHANNELS),
            _Residual(STEM_CHANNELS),
        )
        self.project = nn.Conv2d(STEM_CHANNELS, embed_dim, kernel_size=1)

    def init_weights(self) -> None:
        """Start adding nothing; an encoder calls this after it has initialised all that it contains."""
        for parameter in self.project.parameters():
            nn.init.zeros_(parameter)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, 8 * rows, 8 * columns) to (B, rows, columns, C)."""
        patches, maps = super().forward(images), self.project(self.stem(images))
        tokens: Tensor = patches + maps.movedim(1, -1)
        return tokens


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _convolution(channels, channels)
        self.second = nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False)
        self.norm = nn.GroupNorm(_GROUPS, channels)

    def forward(self, maps: Tensor) -> Tensor:
        change = self.norm(self.second(self.first(maps)))
        return F.gelu(maps + change)


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    convolution = nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.GroupNorm(_GROUPS, outputs), nn.GELU())
