"""Small random models of every supported class. A patch is 8 x 8 pixels, there are 4 blocks of width 32."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import timm
import torch
import transformers
from timm.models.vision_transformer_hybrid import HybridEmbed
from torch import Tensor, nn

from ..releases import built

DEPTH = 4
TINY = {
    "hidden_size": 32,
    "num_hidden_layers": DEPTH,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "image_size": 64,
    "patch_size": 8,
}
STAGES = {"out_features": ["stage1", "stage3", "stage4"]}
DPT = {"backbone_out_indices": [0, 1, 2, 3], "neck_hidden_sizes": [8, 8, 8, 8], "fusion_hidden_size": 8}
BIASED = {"use_relative_position_bias": True, "image_size": (64, 64)}


@dataclass(frozen=True)
class Entry:
    """A model to test, the prefix tokens it has, the size of the images it is given and what else its call takes.

    `trains` says whether gradients flow through it.
    """

    name: str
    build: Callable[[], nn.Module]
    prefix: int
    size: tuple[int, int] = (48, 80)
    call: dict[str, Any] = field(default_factory=dict)
    trains: bool = True

    def model(self) -> nn.Module:
        torch.manual_seed(0)
        model = built(self.build).eval()
        for parameter in model.parameters():
            # Initial values are so small that all tokens look alike; these tell one token, block and map from another.
            noise = torch.randn_like(parameter)
            weights = parameter.dim() > 1
            parameter.data = noise * parameter[0].numel() ** -0.5 if weights else parameter.data + 0.2 * noise
        return model

    def images(self, batch: int = 2) -> Tensor:
        return torch.randn(batch, 3, *self.size, generator=torch.Generator().manual_seed(1))

    def run(self, model: nn.Module, images: Tensor) -> list[Tensor]:
        return flat(model(images, **self.call))

    @property
    def tokens(self) -> int:
        return self.prefix + self.grid[0] * self.grid[1]

    @property
    def grid(self) -> tuple[int, int]:
        patch = 16 if "hybrid" in self.name and "DPT" in self.name else 8
        return -(-self.size[0] // patch), -(-self.size[1] // patch)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "entry" in metafunc.fixturenames:
        metafunc.parametrize("entry", ZOO, ids=lambda entry: entry.name)


@pytest.fixture(scope="session")
def zoo() -> dict[str, Entry]:
    return {entry.name: entry for entry in ZOO}


def flat(value: object) -> list[Tensor]:
    """All tensors in a model's output, in order."""
    if isinstance(value, Tensor):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else ()
    return [tensor for item in items for tensor in flat(item)]


def timm_vit(name: str = "vit_tiny_patch16_224", **settings: Any) -> nn.Module:
    size = {"img_size": 64, "patch_size": 8, "embed_dim": 32, "depth": DEPTH, "num_heads": 4, "num_classes": 5}
    return timm.create_model(name, **{**size, "dynamic_img_size": True, **settings})


def timm_hybrid() -> nn.Module:
    stem = nn.Sequential(nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, stride=2, padding=1))

    def embed(**settings: Any) -> nn.Module:
        return HybridEmbed(stem, **settings)

    return timm_vit(embed_layer=embed, patch_size=2)


def segmenter() -> nn.Module:
    """The bench's own, where what that needs is installed."""
    bench = pytest.importorskip("hourglass.bench.models.segmenter")
    decoder = bench.MaskTransformer(classes=5, encoder_width=32, width=32, depth=2, heads=4)
    return bench.Segmenter(timm_vit(num_classes=0), decoder)


def hybrid_dpt() -> nn.Module:
    bit = transformers.BitConfig(
        hidden_sizes=[8, 16, 32], depths=[1, 1, 1], embedding_size=8, num_groups=4, layer_type="bottleneck",
        out_features=["stage1", "stage2", "stage3"], global_padding="same", embedding_dynamic_padding=True,
    )  # fmt: skip
    settings = {**TINY, **DPT, "patch_size": 16, "image_size": 128, "neck_hidden_sizes": [8, 16, 8, 8]}
    config = transformers.DPTConfig(
        **settings, is_hybrid=True, backbone_config=bit, backbone_featmap_shape=[1, 32, 8, 8],
        readout_type="project", neck_ignore_stages=[0, 1],
    )  # fmt: skip
    return transformers.DPTForDepthEstimation(config)


def dpt_on_dinov2() -> nn.Module:
    backbone = transformers.Dinov2Config(
        **TINY, out_features=["stage1", "stage2", "stage3", "stage4"], reshape_hidden_states=False
    )
    return transformers.DPTForDepthEstimation(transformers.DPTConfig(**TINY, **DPT, backbone_config=backbone))


def depth_anything() -> nn.Module:
    backbone = transformers.Dinov2Config(
        **TINY, out_features=["stage1", "stage2", "stage3", "stage4"], reshape_hidden_states=False
    )
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone, patch_size=8, reassemble_hidden_size=32, neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8, head_hidden_size=8,
    )  # fmt: skip
    return transformers.DepthAnythingForDepthEstimation(config)


def upernet() -> nn.Module:
    backbone = transformers.Dinov2Config(**TINY, out_features=["stage1", "stage2", "stage3", "stage4"])
    config = transformers.UperNetConfig(backbone_config=backbone, hidden_size=8, use_auxiliary_head=False)
    return transformers.UperNetForSemanticSegmentation(config)


def of(config: str, model: str, **settings: Any) -> Callable[[], nn.Module]:
    return lambda: getattr(transformers, model)(getattr(transformers, config)(**{**TINY, **settings}))


SQUARE = (64, 64)
RESIZED = {"interpolate_pos_encoding": True}
STATES = {"output_hidden_states": True}

ZOO = (
    Entry("timm ViT", timm_vit, 1),
    Entry("timm ViT, fixed size", lambda: timm_vit(dynamic_img_size=False), 1, SQUARE),
    Entry("timm ViT, padded images", lambda: timm_vit(dynamic_img_pad=True), 1, (43, 75)),
    Entry("timm ViT, registers, no class", lambda: timm_vit(class_token=False, reg_tokens=3, global_pool="avg"), 3),
    Entry("timm DeiT distilled", lambda: timm_vit("deit_tiny_distilled_patch16_224"), 2),
    Entry("timm DeiT-3", lambda: timm_vit("deit3_small_patch16_224"), 1),
    Entry("timm DINOv2, registers", lambda: timm_vit("vit_small_patch14_reg4_dinov2", num_classes=5), 5),
    Entry("timm SigLIP, attention pooling", lambda: timm_vit("vit_base_patch16_siglip_224"), 0),
    Entry("timm hybrid", timm_hybrid, 1),
    Entry("timm features", lambda: timm_vit(features_only=True, out_indices=(0, 2, 3), num_classes=0), 1),
    Entry("timm DINOv3", lambda: timm_vit("vit_small_patch16_dinov3"), 5),
    Entry("timm DINOv3 features", lambda: timm_vit("vit_small_patch16_dinov3", features_only=True, num_classes=0), 5),
    Entry("timm EVA-02", lambda: timm_vit("eva02_tiny_patch14_224"), 1),
    Entry("timm ViT, mixed rotary", lambda: timm_vit("vit_small_patch16_rope_mixed_224"), 1),
    Entry("Segmenter", segmenter, 1),
    Entry("ViTModel", of("ViTConfig", "ViTModel"), 1, call=RESIZED | STATES),
    Entry("ViTForImageClassification", of("ViTConfig", "ViTForImageClassification"), 1, call=RESIZED | STATES),
    Entry("DeiTModel", of("DeiTConfig", "DeiTModel"), 2, call=RESIZED | STATES),
    Entry("ViTMSNModel", of("ViTMSNConfig", "ViTMSNModel"), 1, call=RESIZED | STATES),
    Entry("IJepaModel", of("IJepaConfig", "IJepaModel"), 0, call=RESIZED | STATES),
    Entry("Dinov2Model", of("Dinov2Config", "Dinov2Model"), 1, call=STATES),
    Entry("Dinov2Backbone", of("Dinov2Config", "Dinov2Backbone", **STAGES), 1, call=STATES),
    Entry("Dinov2Backbone, bare", of("Dinov2Config", "Dinov2Backbone", **STAGES, apply_layernorm=False), 1),
    Entry(
        "Dinov2WithRegistersModel",
        of("Dinov2WithRegistersConfig", "Dinov2WithRegistersModel", num_register_tokens=2),
        3,
        call=STATES,
    ),
    Entry(
        "Dinov2WithRegistersBackbone",
        of("Dinov2WithRegistersConfig", "Dinov2WithRegistersBackbone", num_register_tokens=2, **STAGES),
        3,
    ),
    Entry("DINOv3ViTModel", of("DINOv3ViTConfig", "DINOv3ViTModel", num_register_tokens=2), 3, call=STATES),
    Entry(
        "DINOv3ViTBackbone", of("DINOv3ViTConfig", "DINOv3ViTBackbone", num_register_tokens=2, **STAGES), 3, call=STATES
    ),
    Entry(
        "DINOv3ViTBackbone, bare",
        of("DINOv3ViTConfig", "DINOv3ViTBackbone", num_register_tokens=2, **STAGES, apply_layernorm=False),
        3,
    ),
    Entry("BeitModel", of("BeitConfig", "BeitModel", **BIASED), 1, call=STATES),
    Entry("BeitBackbone", of("BeitConfig", "BeitBackbone", **BIASED, **STAGES, add_fpn=False), 1),
    Entry(
        "BeitForSemanticSegmentation",
        of(
            "BeitConfig",
            "BeitForSemanticSegmentation",
            **BIASED | {"image_size": 64},
            out_indices=[1, 2, 3, 4],
        ),
        1,
        SQUARE,
        call=STATES,
    ),
    Entry("DPTModel", of("DPTConfig", "DPTModel"), 1, call=STATES),
    Entry("DPTForDepthEstimation", of("DPTConfig", "DPTForDepthEstimation", **DPT), 1, SQUARE, call=STATES),
    Entry("DPTForDepthEstimation, hybrid", hybrid_dpt, 1, (128, 128)),
    Entry("DPTForDepthEstimation on DINOv2", dpt_on_dinov2, 1),
    Entry("DPTForSemanticSegmentation", of("DPTConfig", "DPTForSemanticSegmentation", **DPT), 1, SQUARE),
    Entry("UperNetForSemanticSegmentation", upernet, 1),
    Entry("DepthAnythingForDepthEstimation", depth_anything, 1, call=STATES),
)
