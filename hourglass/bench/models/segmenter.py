"""Segmenter: a plain ViT encoder with a linear or mask-transformer decoder on its tokens.

Strudel et al., *Segmenter: Transformer for Semantic Segmentation*, ICCV 2021 (arXiv 2105.05633).
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from timm.layers import LayerNorm, resample_abs_pos_embed
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn


class Encoder(VisionTransformer):  # type: ignore[misc]
    """The ViT of the published Segmenters, where it differs from timm's: the norms, and how positions are resized.

    Args:
        size: Side of the square images that the positions are for.
        patch: Side of a patch.
        width: Channels.
        depth: Number of transformer blocks.
        heads: Attention heads of each block.
        norm_eps: Of all norms: 1e-5 in the original repository, 1e-6 in mmsegmentation and in the paper's runs of the
            original weights.
        interpolation: Of the positions, for images of another size: ``bilinear`` in the original
            repository, ``bicubic`` in mmsegmentation and for DINOv2.
        antialias: Whether that is done where they are resized to fewer.
        init_values: Of layer scale, which DINOv2 has; None without it.
    """

    def __init__(
        self,
        size: int,
        patch: int,
        width: int,
        depth: int,
        heads: int,
        norm_eps: float = 1e-5,
        interpolation: str = "bilinear",
        antialias: bool = False,
        init_values: float | None = None,
    ) -> None:
        super().__init__(
            img_size=size,
            patch_size=patch,
            embed_dim=width,
            depth=depth,
            num_heads=heads,
            num_classes=0,
            global_pool="",
            dynamic_img_size=True,
            norm_layer=partial(nn.LayerNorm, eps=norm_eps),
            init_values=init_values,
        )
        self.interpolation, self.antialias = interpolation, antialias

    def _pos_embed(self, x: Tensor) -> Tensor:
        """(B, rows, columns, C) patches to (B, 1 + rows * columns, C) tokens."""
        positions = resample_abs_pos_embed(
            self.pos_embed,
            x.shape[1:3],
            self.patch_embed.grid_size,
            interpolation=self.interpolation,
            antialias=self.antialias,
        )
        tokens: Tensor = torch.cat([self.cls_token.expand(len(x), -1, -1), x.flatten(1, 2)], dim=1) + positions
        return tokens


class MaskTransformer(nn.Module):
    """Decoder of section 3.2.2: class embeddings attend with the tokens, scores are their normalised inner products.

    It knows no grid, so it runs on any set of tokens, clustered ones included.

    Args:
        classes: Number of classes K.
        encoder_width: Channels of the tokens that come in.
        width: Channels inside the decoder.
        depth: Number of transformer blocks.
        heads: Attention heads of each block.
        norm_eps: Of the norms in the blocks; 1e-5 in the published models.
    """

    def __init__(
        self, classes: int, encoder_width: int, width: int, depth: int, heads: int, norm_eps: float = 1e-6
    ) -> None:
        super().__init__()
        self.classes = classes
        self.project_in = nn.Linear(encoder_width, width)
        self.class_tokens = nn.Parameter(torch.randn(1, classes, width) * 0.02)
        norm = partial(LayerNorm, eps=norm_eps)
        self.blocks = nn.ModuleList(Block(width, heads, qkv_bias=True, norm_layer=norm) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.project_tokens = nn.Parameter(torch.randn(width, width) * width**-0.5)
        self.project_classes = nn.Parameter(torch.randn(width, width) * width**-0.5)
        self.norm_scores = nn.LayerNorm(classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, C) tokens to (B, N, K) class scores."""
        tokens = self.project_in(tokens)
        tokens = torch.cat([tokens, self.class_tokens.expand(len(tokens), -1, -1)], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        tokens, classes = self.norm(tokens).split([tokens.shape[1] - self.classes, self.classes], dim=1)
        tokens = F.normalize(tokens @ self.project_tokens, dim=-1)
        classes = F.normalize(classes @ self.project_classes, dim=-1)
        scores: Tensor = self.norm_scores(tokens @ classes.transpose(1, 2))
        return scores


class Segmenter(nn.Module):
    """Semantic segmentation with a plain ViT.

    Args:
        encoder: A timm ViT with ``dynamic_img_size=True``.
        decoder: From (B, N, C) tokens to (B, N, K) class scores.
        working_size: Height and width the images are resized to before the encoder; None keeps them as they are.
    """

    def __init__(
        self, encoder: VisionTransformer, decoder: nn.Module, working_size: tuple[int, int] | None = None
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.working_size = working_size
        self.patch: tuple[int, int] = encoder.patch_embed.patch_size

    def forward(self, images: Tensor) -> Tensor:
        """RGB images (B, 3, H, W) in [0, 1] to logits (B, K, H, W)."""
        size = images.shape[-2:]
        if self.working_size is not None and size != self.working_size:
            images = F.interpolate(images, self.working_size, mode="bilinear", antialias=True, align_corners=False)
        logits = self.segment(images)
        return (
            logits if logits.shape[-2:] == size else F.interpolate(logits, size, mode="bilinear", align_corners=False)
        )

    def segment(self, images: Tensor) -> Tensor:
        """As `forward`, but at the size the images have."""
        height, width = images.shape[-2:]
        images = F.pad(images * 2 - 1, (0, -width % self.patch[1], 0, -height % self.patch[0]))
        rows, columns = images.shape[-2] // self.patch[0], images.shape[-1] // self.patch[1]

        tokens = self.encoder.forward_features(images)
        scores = self.decoder(tokens[:, self.encoder.num_prefix_tokens :])
        logits = scores.transpose(1, 2).unflatten(2, (rows, columns))
        logits = F.interpolate(
            logits, (rows * self.patch[0], columns * self.patch[1]), mode="bilinear", align_corners=False
        )
        return logits[..., :height, :width]
