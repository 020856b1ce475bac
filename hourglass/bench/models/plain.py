"""A pyramid of features on a plain ViT, whose tokens all lie in one grid.

Li et al., *Exploring Plain Vision Transformer Backbones for Object Detection* (ViTDet), ECCV 2022 (arXiv 2203.16527),
section 3: every level is made from the last feature map alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch.nn.functional as F
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn


class TokenMap(nn.Module):
    """A ViT whose last tokens come out as a map, with another number of channels.

    Args:
        encoder: A timm ViT with ``dynamic_img_size=True``.
        channels: Of the map.
    """

    def __init__(self, encoder: VisionTransformer, channels: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.project = nn.Sequential(nn.Conv2d(encoder.embed_dim, channels, 1, bias=False), nn.GroupNorm(8, channels))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, 3, H, W) to tokens (B, C, H / patch, W / patch) as they are, and projected."""
        height, width = self.encoder.patch_embed.patch_size
        grid = images.shape[-2] // height, images.shape[-1] // width
        tokens = self._as_map(self.encoder.forward_features(images), grid)
        return tokens, self.project(tokens)

    def both(self, images: Tensor, early: int) -> tuple[Tensor, Tensor]:
        """Tokens of a block, by its index, and the last ones, as `forward` has them."""
        last, (tokens,) = self.encoder.forward_intermediates(images, [early])
        return tokens, self._as_map(last, tokens.shape[-2:])

    def _as_map(self, tokens: Tensor, grid: Sequence[int]) -> Tensor:
        """(B, prefix + H * W, C) to (B, C, H, W)."""
        image: Tensor = tokens[:, self.encoder.num_prefix_tokens :].transpose(1, 2).unflatten(2, grid)
        return image


class TokenPyramid(nn.Module):
    """Levels of stride patch, 2 patch, 4 patch and 8 patch for a dense detector.

    Args:
        encoder: As of `TokenMap`.
        channels: Of every level.
    """

    def __init__(self, encoder: VisionTransformer, channels: int) -> None:
        super().__init__()
        self.tokens = TokenMap(encoder, channels)
        self.smooth = nn.Conv2d(channels, channels, 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(channels, channels, 3, stride=2, padding=1) for _ in range(2))
        self.out_channels = channels
        patch = encoder.patch_embed.patch_size[0]
        self.strides = tuple(patch * 2**level for level in range(4))

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        """(B, 3, H, W) normalised images to levels, finest first."""
        return self.levels(self.tokens(images)[1])

    def levels(self, projected: Tensor) -> OrderedDict[str, Tensor]:
        """Of the projected tokens (B, C, h, w)."""
        levels = [self.smooth(F.gelu(projected))]
        for down in self.down:
            levels.append(down(F.gelu(levels[-1])))
        levels.append(F.max_pool2d(levels[-1], 1, stride=2))
        return OrderedDict((str(index), level) for index, level in enumerate(levels))
