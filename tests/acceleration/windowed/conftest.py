"""The recipe of weights and images, and small models of every supported class.

Every parameter is drawn from numpy's legacy Mersenne twister, whose stream is frozen across versions, seeded by the
CRC-32 of its name: matrices and kernels with the standard deviation 1/sqrt(fan in), norm weights around one, position
tables and everything else (biases) around zero. Images are standard normal. So the golden files hold outputs only.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

import numpy as np
import pytest
import timm
import torch
import transformers
from timm.models.swin_transformer import SwinTransformer
from torch import Tensor, nn
from transformers.models.donut.modeling_donut_swin import DonutSwinModel
from transformers.models.maskformer.modeling_maskformer_swin import MaskFormerSwinBackbone
from transformers.models.sam.modeling_sam import SamVisionEncoder

from ..releases import built


def fill(model: nn.Module) -> nn.Module:
    """The recipe's weights, in place, and evaluation mode."""
    for name, parameter in model.named_parameters():
        noise = torch.from_numpy(np.random.RandomState(zlib.crc32(name.encode())).standard_normal(parameter.shape))
        if "norm" in name and name.endswith("weight"):
            noise = 1 + 0.1 * noise
        elif "bias_table" in name or "rel_pos" in name:
            noise = 0.5 * noise
        elif parameter.ndim > 1 and "pos_embed" not in name:
            noise = noise / parameter[0].numel() ** 0.5
        else:
            noise = 0.1 * noise
        parameter.data.copy_(noise)
    return model.eval()


def images(*shape: int) -> Tensor:
    """Standard normal images (B, 3, H, W)."""
    return torch.from_numpy(np.random.RandomState(7).standard_normal(shape)).float()


@dataclass(frozen=True)
class Entry:
    """A model to test, the size of image it is given, and what else its call takes."""

    name: str
    build: Callable[[], nn.Module]
    size: tuple[int, int] = (44, 76)
    call: dict[str, Any] = field(default_factory=dict)

    def model(self) -> nn.Module:
        return fill(built(self.build))

    def images(self, batch: int = 2) -> Tensor:
        return images(batch, 3, *self.size)

    def run(self, model: nn.Module, inputs: Tensor) -> list[Tensor]:
        call = {name: value[: len(inputs)] if isinstance(value, Tensor) else value for name, value in self.call.items()}
        with torch.no_grad():
            return flat(model(inputs, **call))


def flat(output: Any) -> list[Tensor]:
    """Every tensor in what a model returned."""
    if isinstance(output, Tensor):
        return [output]
    if isinstance(output, dict):
        output = output.values()
    if isinstance(output, str | int | float | None):
        return []
    return [tensor for part in output for tensor in flat(part)]


# Grids of 11 x 19 and 6 x 10 tokens: both need padding to windows of 4 x 4, images to patches of 4 x 4.
SHAPE = {"image_size": 64, "patch_size": 4, "embed_dim": 16, "depths": [2, 4], "num_heads": [2, 4], "window_size": 4}
STAGES = {"out_features": ["stage1", "stage2"]}
DEEP = SHAPE | {"depths": [2, 4, 1, 1], "num_heads": [2, 4, 4, 4]}
DEEP_STAGES = {"out_features": ["stage1", "stage2", "stage3", "stage4"]}
QUERIES = {"num_queries": 5, "hidden_dim": 32, "feature_size": 32, "mask_feature_size": 32, "num_attention_heads": 2}
STATES = {"output_hidden_states": True}
SAM = {"hidden_size": 32, "output_channels": 8, "num_hidden_layers": 6, "num_attention_heads": 2, "image_size": 44}
SAM |= {"patch_size": 4, "window_size": 4, "global_attn_indexes": [2, 5], "mlp_dim": 64, "num_pos_feats": 4}


def swin(**changes: Any) -> transformers.SwinConfig:
    return transformers.SwinConfig(**(SHAPE | changes))


def swinv2(**changes: Any) -> transformers.Swinv2Config:
    return transformers.Swinv2Config(**(SHAPE | changes))


def mask2former() -> nn.Module:
    config = transformers.Mask2FormerConfig(
        backbone_config=swin(**DEEP, **DEEP_STAGES), **QUERIES, encoder_layers=1, decoder_layers=2,
        encoder_feedforward_dim=16, dim_feedforward=16,
    )  # fmt: skip
    return transformers.Mask2FormerForUniversalSegmentation(config)


def maskformer() -> nn.Module:
    decoder = transformers.DetrConfig(
        d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=16, decoder_ffn_dim=16, num_queries=5,
    )  # fmt: skip
    config = transformers.MaskFormerConfig(
        fpn_feature_size=32, mask_feature_size=32, backbone_config=swin(**DEEP, **DEEP_STAGES), decoder_config=decoder
    )
    return transformers.MaskFormerForInstanceSegmentation(config)


def oneformer() -> nn.Module:
    config = transformers.OneFormerConfig(
        backbone_config=swin(**DEEP, **DEEP_STAGES), num_queries=5, hidden_dim=32, conv_dim=32, mask_dim=32,
        num_attention_heads=2, encoder_layers=1, decoder_layers=2, encoder_feedforward_dim=16, dim_feedforward=16,
        task_seq_len=4, use_task_norm=True,
    )  # fmt: skip
    return transformers.OneFormerForUniversalSegmentation(config)


def upernet(backbone: transformers.PreTrainedConfig) -> nn.Module:
    config = transformers.UperNetConfig(
        backbone_config=backbone, hidden_size=16, use_auxiliary_head=False, pool_scales=[1, 2], num_labels=3
    )
    return transformers.UperNetForSemanticSegmentation(config)


def sam_encoder(attention: str) -> nn.Module:
    return SamVisionEncoder(transformers.SamVisionConfig(**SAM, attn_implementation=attention))


def sam() -> nn.Module:
    prompts = {"hidden_size": 8, "image_size": 44, "patch_size": 4, "mask_input_channels": 4}
    decoder = {"hidden_size": 8, "mlp_dim": 16, "num_attention_heads": 2, "iou_head_hidden_dim": 8}
    return transformers.SamModel(
        transformers.SamConfig(vision_config=SAM, prompt_encoder_config=prompts, mask_decoder_config=decoder)
    )


def timm_swin(version: str, **changes: Any) -> nn.Module:
    shape = {"embed_dim": 16, "depths": (2, 4), "num_heads": (2, 4), "window_size": 4, "img_size": 64, "num_classes": 3}
    return timm.create_model(version, pretrained=False, **(shape | {"strict_img_size": False} | changes))


# A Swin of timm takes images of any size since 1.0.9.
TIMM = (44, 76) if "strict_img_size" in signature(SwinTransformer).parameters else (64, 64)
V1, V2 = "swin_tiny_patch4_window7_224", "swinv2_tiny_window8_256"
POINTS = torch.tensor([[[[9.0, 30.0]]]]).expand(2, 1, 1, 2)
ENTRIES = [
    Entry("SwinModel", lambda: transformers.SwinModel(swin()), call=STATES),
    Entry("SwinForImageClassification", lambda: transformers.SwinForImageClassification(swin()), call=STATES),
    Entry("SwinForMaskedImageModeling", lambda: transformers.SwinForMaskedImageModeling(swin()), size=(64, 64)),
    Entry("SwinBackbone", lambda: transformers.SwinBackbone(swin(**STAGES)), call=STATES),
    Entry("Swinv2Model", lambda: transformers.Swinv2Model(swinv2()), call=STATES),
    Entry("Swinv2ForImageClassification", lambda: transformers.Swinv2ForImageClassification(swinv2())),
    Entry("Swinv2Backbone", lambda: transformers.Swinv2Backbone(swinv2(**STAGES)), call=STATES),
    Entry("DonutSwinModel", lambda: DonutSwinModel(transformers.DonutSwinConfig(**SHAPE)), call=STATES),
    Entry("MaskFormerSwinBackbone", lambda: MaskFormerSwinBackbone(
        transformers.MaskFormerSwinConfig(**SHAPE, **STAGES)), call=STATES),
    Entry("Mask2FormerForUniversalSegmentation", mask2former, size=(64, 96)),
    Entry("MaskFormerForInstanceSegmentation", maskformer, size=(64, 96), call=STATES),
    Entry("OneFormerForUniversalSegmentation", oneformer, size=(64, 96), call={"task_inputs": torch.ones(2, 4).long()}),
    Entry("UperNet-Swin", lambda: upernet(swin(**DEEP, **DEEP_STAGES))),
    Entry("UperNet-Swinv2", lambda: upernet(swinv2(**DEEP, **DEEP_STAGES))),
    Entry("SamVisionEncoder-eager", lambda: sam_encoder("eager"), size=(44, 44), call=STATES),
    Entry("SamVisionEncoder-sdpa", lambda: sam_encoder("sdpa"), size=(44, 44), call=STATES),
    Entry("SamModel", sam, size=(44, 44), call=STATES | {"input_points": POINTS}),
    Entry("timm-swin", lambda: timm_swin(V1), size=TIMM),
    Entry("timm-swin-features", lambda: timm_swin(V1, features_only=True), size=TIMM),
    Entry("timm-swinv2", lambda: timm_swin(V2), size=TIMM),
    Entry("timm-swinv2-features", lambda: timm_swin(V2, features_only=True), size=TIMM),
    Entry("timm-swin-strict", lambda: timm_swin(V1, img_size=TIMM, strict_img_size=True), size=TIMM),
]  # fmt: skip


@pytest.fixture(params=ENTRIES, ids=lambda entry: entry.name)
def entry(request: pytest.FixtureRequest) -> Entry:
    return request.param


@pytest.fixture
def by_name() -> dict[str, Entry]:
    return {entry.name: entry for entry in ENTRIES}


@pytest.fixture(name="fill", scope="session")
def fill_fixture() -> Callable[[nn.Module], nn.Module]:
    return fill


@pytest.fixture(name="images", scope="session")
def images_fixture() -> Callable[..., Tensor]:
    return images
