"""Models of mmsegmentation: its configurations, its models, its sliding windows.

Written against mmsegmentation 1.2.2 (``EncoderDecoder.inference`` and ``SegDataPreProcessor``).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from hourglass.bench.backends import require, stand_in


class MmsegSegmentor(nn.Module):
    """An mmsegmentation model behind the project's interface.

    Args:
        config: The ``model`` of an mmsegmentation configuration.

    Raises:
        UserError: The framework is not there.
    """

    def __init__(self, config: Any) -> None:
        super().__init__()
        _import_models()
        from mmengine.registry import init_default_scope
        from mmseg.registry import MODELS

        init_default_scope("mmseg")
        self.model = MODELS.build({**config, "pretrained": None})

    def forward(self, images: Tensor) -> Tensor:
        """RGB images (B, 3, H, W) in [0, 1] to logits (B, K, H, W), by sliding windows if the configuration says so."""
        preprocessor = self.model.data_preprocessor
        inputs = images * 255
        if not preprocessor.channel_conversion:  # from the BGR that mmsegmentation reads
            inputs = inputs.flip(1)
        inputs = (inputs - preprocessor.mean) / preprocessor.std
        size = images.shape[-2:]
        shapes = {"ori_shape": size, "img_shape": size, "pad_shape": size, "padding_size": [0, 0, 0, 0]}
        logits: Tensor = self.model.inference(inputs, [dict(shapes) for _ in images])
        return logits


def segmenter_ade20k() -> nn.Module:
    """Segmenter with ViT-L/16 for the 150 classes of ADE20K, in windows of 640 x 640 pixels, 608 apart.

    Raises:
        UserError: The framework is not there.
    """
    require("mmseg")
    from mmengine.hub import get_config

    config = get_config("mmseg::segmenter/segmenter_vit-l_mask_8xb1-160k_ade20k-512x512.py").model
    config.backbone.patch_bias = True  # as when the published weights were trained; 1.2.2 would drop theirs unsaid
    return MmsegSegmentor(config)


def _import_models() -> None:
    """Fill mmsegmentation's registries, which imports mmcv's compiled operators. A Segmenter needs none of them."""
    require("mmseg")
    stand_in("mmcv._ext")
    import mmseg.models  # noqa: F401
