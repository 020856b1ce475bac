"""The small reference models of the embedded and the photos suite: architectures of the paper, trained here.

Each is built by a function of its own, which imports the one framework that it needs. The numbers are chosen so that
the encoder is the largest part of the cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer
    from transformers import SwinConfig

WIDTH, DEPTH, HEADS, PATCH = 192, 12, 3, 8
"""The ViT of all three plain models: 256 x 256 pixels are 32 x 32 tokens."""


def _vit() -> VisionTransformer:
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(
        img_size=(256, 256),
        patch_size=PATCH,
        embed_dim=WIDTH,
        depth=DEPTH,
        num_heads=HEADS,
        num_classes=0,
        global_pool="",
        dynamic_img_size=True,
    )


def segmenter_scenes() -> nn.Module:
    """Segmenter for the 11 classes of scenes."""
    from hourglass.bench.models.segmenter import MaskTransformer, Segmenter

    return Segmenter(_vit(), MaskTransformer(11, WIDTH, 96, depth=1, heads=HEADS))


def dpt_scenes() -> nn.Module:
    """DPT for depths up to 60 m."""
    from transformers import DPTConfig

    from hourglass.bench.models.depth import DepthEstimator

    config = DPTConfig(
        hidden_size=WIDTH,
        num_hidden_layers=DEPTH,
        num_attention_heads=HEADS,
        intermediate_size=4 * WIDTH,
        image_size=256,
        patch_size=PATCH,
        backbone_out_indices=[2, 5, 8, 11],
        reassemble_factors=[2, 1, 0.5, 0.25],
        neck_hidden_sizes=[48, 64, 96, 96],
        fusion_hidden_size=48,
        readout_type="project",
        layer_norm_eps=1e-6,
        use_auxiliary_head=False,
    )
    return DepthEstimator(config, scale=0.1, shift=1 / 60)


def _swin(first_stage: int) -> SwinConfig:
    from transformers import SwinConfig

    return SwinConfig(
        image_size=256,
        patch_size=4,
        embed_dim=32,
        depths=[1, 1, 18, 1],
        num_heads=[1, 2, 4, 8],
        window_size=8,
        drop_path_rate=0.0,
        out_features=[f"stage{stage}" for stage in range(first_stage, 5)],
    )


def mask2former_scenes() -> nn.Module:
    """Mask2Former for the 11 classes of scenes."""
    from transformers import Mask2FormerConfig

    from hourglass.bench.models.mask2former import MaskSegmenter

    config = Mask2FormerConfig(
        backbone_config=_swin(first_stage=1),
        feature_size=64,
        mask_feature_size=64,
        hidden_dim=64,
        encoder_feedforward_dim=128,
        dim_feedforward=256,
        encoder_layers=1,
        decoder_layers=4,
        num_attention_heads=4,
        num_queries=32,
        train_num_points=2048,
        num_labels=11,
    )
    return MaskSegmenter(config)


def fcos_scenes() -> nn.Module:
    """FCOS for the 6 things of scenes."""
    from hourglass.bench.models.detector import FcosDetector, SwinPyramid

    return FcosDetector(SwinPyramid(_swin(first_stage=2), channels=64), classes=6, convolutions=1, size=(256, 256))


def vitdet_scenes() -> nn.Module:
    """FCOS on the simple pyramid of a plain ViT, for the 6 things of scenes."""
    from hourglass.bench.models.detector import FcosDetector
    from hourglass.bench.models.plain import TokenPyramid

    return FcosDetector(TokenPyramid(_vit(), channels=96), classes=6, convolutions=2, size=(256, 256))


def vitmask_scenes() -> nn.Module:
    """`vitdet_scenes` with masks, and all 11 classes for each pixel."""
    from hourglass.bench.models.masks import MaskDetector
    from hourglass.bench.models.plain import TokenPyramid

    pyramid = TokenPyramid(_vit(), channels=96)
    return MaskDetector(
        pyramid, things=6, classes=11, channels=64, objects=24, early=3, convolutions=2, size=(256, 256)
    )


def fcos_bccd() -> nn.Module:
    """FCOS for the 3 cell types of BCCD, at 256 x 341."""
    from hourglass.bench.models.detector import FcosDetector, SwinPyramid

    return FcosDetector(SwinPyramid(_swin(first_stage=2), channels=64), classes=3, convolutions=1, size=(256, 384))
