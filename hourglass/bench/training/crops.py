"""Crops for a plain ViT, each at its own place: its tokens carry the position embeddings of the whole image."""

from __future__ import annotations

from collections.abc import Sequence

from timm.layers import resample_abs_pos_embed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, cat, stack


def encode_crop(
    encoder: VisionTransformer, images: Tensor, grid: tuple[int, int], places: Sequence[tuple[int, int]]
) -> tuple[Tensor, tuple[int, int]]:
    """Patch tokens (B, N, C) of crops, and their grid.

    Args:
        encoder: A ViT with one class token.
        images: Crops (B, 3, H, W) in [0, 1].
        grid: Rows and columns of tokens of the whole image.
        places: First row and column of each crop in that grid.
    """
    patches: Tensor = encoder.patch_embed(images * 2 - 1)
    rows, columns = patches.shape[1:3]
    whole = resample_abs_pos_embed(encoder.pos_embed, grid, encoder.patch_embed.grid_size)
    cells = whole[0, 1:].unflatten(0, grid)
    positions = stack([cells[top : top + rows, left : left + columns].flatten(0, 1) for top, left in places])
    class_token = (encoder.cls_token + whole[:, :1]).expand(len(images), -1, -1)
    tokens: Tensor = encoder.norm(encoder.blocks(cat([class_token, patches.flatten(1, 2) + positions], dim=1)))
    return tokens[:, 1:], (rows, columns)
