"""The models of the paper's tables at their full size, as the authors' configurations describe them.

Weights are not part of the project. On the meta device a builder allocates nothing, which is enough to count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from transformers import SwinConfig

WIDTH, DEPTH, HEADS, PATCH = 1024, 24, 16, 16
"""Of ViT-L/16."""


def _segmenter(size: int, classes: int, decoder_depth: int) -> nn.Module:
    """As the paper's authors configure it, whose norms and positions differ from those of the original repository."""
    from hourglass.bench.models.segmenter import Encoder, MaskTransformer, Segmenter

    encoder = Encoder(size, PATCH, WIDTH, DEPTH, HEADS, norm_eps=1e-6, interpolation="bicubic")
    return Segmenter(encoder, MaskTransformer(classes, WIDTH, WIDTH, decoder_depth, HEADS, norm_eps=1e-5))


def segmenter_ade20k() -> nn.Module:
    """Segmenter with ViT-L/16, for the 150 classes of ADE20K."""
    return _segmenter(640, 150, decoder_depth=2)


def segmenter_cityscapes() -> nn.Module:
    """Segmenter with ViT-L/16, for the 19 classes of Cityscapes; its decoder has one layer."""
    return _segmenter(768, 19, decoder_depth=1)


def segmenter_pascal_context() -> nn.Module:
    """Segmenter with ViT-L/16, for the 60 classes of PASCAL-Context, background included."""
    return _segmenter(480, 60, decoder_depth=2)


def _dpt_hybrid(size: tuple[int, int], scale: float, shift: float) -> nn.Module:
    """DPT on ViT-B/16 behind the first three stages of a ResNet-50, for images of one size."""
    from transformers import BitConfig, DPTConfig

    from hourglass.bench.models.depth import DepthEstimator

    backbone = BitConfig(
        layer_type="bottleneck",
        depths=[3, 4, 9],
        out_features=["stage1", "stage2", "stage3"],
        global_padding="same",
        embedding_dynamic_padding=True,
    )
    config = DPTConfig(
        is_hybrid=True,
        backbone_config=backbone,
        backbone_featmap_shape=[1, 1024, 24, 24],
        image_size=384,
        backbone_out_indices=[2, 5, 8, 11],
        neck_ignore_stages=[0, 1],
        reassemble_factors=[1, 1, 1, 0.5],
        neck_hidden_sizes=[256, 512, 768, 768],
        readout_type="project",
        layer_norm_eps=1e-6,
        use_auxiliary_head=False,
    )
    model = DepthEstimator(config, scale, shift)
    # The positions are those of 384 x 384, resized to every image; transformers lets only one size through.
    model.dpt.dpt.embeddings.image_size = size
    return model


def dpt_hybrid_nyuv2() -> nn.Module:
    """DPT-Hybrid fine-tuned on NYUv2, with the authors' conversion to metres."""
    return _dpt_hybrid((480, 640), scale=0.000305, shift=0.1378)


def dpt_hybrid_kitti() -> nn.Module:
    """DPT-Hybrid fine-tuned on KITTI, with the authors' conversion to metres."""
    return _dpt_hybrid((352, 1216), scale=0.00006016, shift=0.00579)


def _swin_large() -> SwinConfig:
    from transformers import SwinConfig

    return SwinConfig(
        image_size=384,
        embed_dim=192,
        depths=[2, 2, 18, 2],
        num_heads=[6, 12, 24, 48],
        window_size=12,
        drop_path_rate=0.3,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )


def _mask2former(classes: int, queries: int) -> nn.Module:
    from transformers import Mask2FormerConfig

    from hourglass.bench.models.mask2former import MaskSegmenter

    config = Mask2FormerConfig(backbone_config=_swin_large(), num_labels=classes, num_queries=queries)
    return MaskSegmenter(config)


def mask2former_coco_panoptic() -> nn.Module:
    """Mask2Former with Swin-L, for the 80 things and 53 kinds of stuff of COCO."""
    return _mask2former(133, queries=200)


def mask2former_coco_instance() -> nn.Module:
    """Mask2Former with Swin-L, for the 80 things of COCO."""
    return _mask2former(80, queries=200)


def mask2former_ade20k_panoptic() -> nn.Module:
    """Mask2Former with Swin-L, for the 100 things and 50 kinds of stuff of ADE20K."""
    return _mask2former(150, queries=200)


def mask2former_ade20k_semantic() -> nn.Module:
    """Mask2Former with Swin-L, for the 150 classes of ADE20K."""
    return _mask2former(150, queries=100)


def swin_large() -> nn.Module:
    """The Swin-L of DINO, MaskDINO and OneFormer, whose heads need frameworks of their own."""
    from transformers import SwinBackbone

    backbone: nn.Module = SwinBackbone(_swin_large())
    return backbone
