"""Equality with the authors' HourglassSwinTransformer (Mask2Former) and HourglassImageEncoderViT (SAM).

The golden files hold what theirs returned for the recipe's weights and images in conftest.py: 2, 4 and 2 blocks of
width 8, 16 and 32, windows of 6 x 6; SAM with 6 blocks of width 16, windows of 4 x 4, blocks 2 and 5 global.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import MaskFormerSwinConfig, SamVisionConfig, SwinBackbone, SwinConfig
from transformers.models.maskformer.modeling_maskformer_swin import MaskFormerSwinBackbone
from transformers.models.sam.modeling_sam import SamVisionEncoder

import hourglass
from hourglass import Plan

from ..releases import newer

GOLDEN = Path(__file__).parent / "golden"
TOLERANCE = 1e-4
SHAPE = {"patch_size": 4, "embed_dim": 8, "num_heads": [1, 2, 4], "window_size": 6, "depths": [2, 4, 2]}
CONFIG = SHAPE | {"mlp_ratio": 2.0, "drop_path_rate": 0.0, "out_features": ["stage1", "stage2", "stage3"]}


def plan(start: int, side: int, iterations: int, window: int, temperature: float, neighbors: int) -> Plan:
    return Plan(start, (side, side), iterations, window, temperature, neighbors, form="published")


# Grids of whole windows, then ones that need padding to patches, windows and an even size.
SWIN = {
    "square-first-block": ((1, 3, 96, 96), plan(0, 4, 5, 5, 0.3, 10)),
    "square-odd-block": ((1, 3, 96, 96), plan(3, 4, 5, 5, 0.05, 12)),
    "wide-first-of-stage": ((1, 3, 46, 70), plan(2, 4, 5, 3, 0.1, 16)),
    "wide-last-of-stage": ((1, 3, 46, 70), plan(5, 3, 4, 3, 0.02, 5)),
    "tall-last-stage": ((1, 3, 70, 46), plan(6, 4, 5, 5, 0.02, 10)),
    "tall-shift-wider-than-window": ((1, 3, 70, 46), plan(1, 2, 5, 5, 0.2, 3)),
    "batch-of-two": ((2, 3, 46, 46), plan(4, 5, 3, 7, 0.1, 2)),
}
# All centers where windows are padded: there, several centers hold nothing but padding and are equally far.
SAM = {
    "first-block": ((1, 3, 48, 48), plan(0, 3, 5, 5, 0.3, 6)),
    "global-block-first": ((1, 3, 40, 40), plan(2, 2, 5, 5, 0.02, 4)),
    "windowed-block-first": ((2, 3, 40, 40), plan(3, 3, 3, 3, 0.05, 9)),
    "last-block": ((1, 3, 40, 40), plan(5, 3, 5, 3, 0.1, 9)),
    "wide": ((1, 3, 32, 56), plan(1, 3, 5, 5, 0.3, 9)),
}


@pytest.fixture(autouse=True)
def _without_gradients():
    with torch.no_grad():
        yield


def difference(output: Tensor, golden: np.ndarray) -> float:
    assert tuple(output.shape) == golden.shape
    return float(np.linalg.norm(output.numpy() - golden) / np.linalg.norm(golden))


def golden_maps(case: str) -> list[np.ndarray]:
    file = np.load(GOLDEN / "swin.npz")
    return [file[f"{case}/{stage}"] for stage in range(3)]


@newer
@pytest.mark.parametrize("case", SWIN)
def test_swin_equals_the_authors(case, fill, images):
    shape, settings = SWIN[case]
    model = hourglass.apply(fill(SwinBackbone(SwinConfig(**CONFIG))), settings)
    maps = model(images(*shape)).feature_maps
    assert max(map(difference, maps, golden_maps(case))) < TOLERANCE


@newer
@pytest.mark.parametrize("case", SWIN)
def test_the_swin_of_maskformer_equals_the_authors(case, fill, images):
    shape, settings = SWIN[case]
    model = MaskFormerSwinBackbone(MaskFormerSwinConfig(**CONFIG)).eval()
    renamed = {
        maskformer_name(name): value for name, value in fill(SwinBackbone(SwinConfig(**CONFIG))).named_parameters()
    }
    assert all("index" in name for name in model.load_state_dict(renamed, strict=False).missing_keys)
    maps = hourglass.apply(model, settings)(images(*shape)).feature_maps
    assert max(map(difference, maps, golden_maps(case))) < TOLERANCE


@newer
@pytest.mark.parametrize("case", ["square-first-block", "square-odd-block"])
def test_timm_swin_equals_the_authors(case, fill, images):
    # On whole windows alone: where there is padding, timm shifts before it pads, the authors and transformers after.
    shape, settings = SWIN[case]
    weights = dict(fill(SwinBackbone(SwinConfig(**CONFIG))).named_parameters())
    model = timm.models.SwinTransformer(
        img_size=96, **SHAPE, mlp_ratio=2.0, num_classes=0, always_partition=True, strict_img_size=False
    ).eval()  # fmt: skip
    model.load_state_dict(timm_weights(weights))
    maps = hourglass.apply(model, settings).forward_intermediates(images(*shape), intermediates_only=True)
    for stage, (output, golden) in enumerate(zip(maps, golden_maps(case), strict=True), start=1):
        norm = [weights[f"hidden_states_norms.stage{stage}.{part}"] for part in ("weight", "bias")]
        normed = F.layer_norm(output.permute(0, 2, 3, 1), norm[0].shape, *norm).permute(0, 3, 1, 2)
        assert difference(normed, golden) < TOLERANCE


def test_the_paper_masks_by_the_shift_that_is_made(fill, images):
    shape, settings = SWIN["square-first-block"]
    settings = Plan(
        settings.start, settings.clusters, temperature=settings.temperature, semantics="paper", form="published"
    )
    model = hourglass.apply(fill(SwinBackbone(SwinConfig(**CONFIG))), settings)
    assert difference(model(images(*shape)).feature_maps[0], golden_maps("square-first-block")[0]) > 0.01


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("case", SAM)
def test_sam_equals_the_authors(case, attention, fill, images):
    shape, settings = SAM[case]
    config = SamVisionConfig(
        hidden_size=16, output_channels=8, num_hidden_layers=6, num_attention_heads=2, patch_size=4, window_size=4,
        global_attn_indexes=[2, 5], mlp_dim=32, image_size=48 if case == "first-block" else 40,
        use_abs_pos=shape[2] == shape[3], attn_implementation=attention,
    )  # fmt: skip
    model = fill(SamVisionEncoder(config))
    model.patch_embed.image_size = shape[2:]
    output = hourglass.apply(model, settings)(images(*shape)).last_hidden_state
    assert difference(output, np.load(GOLDEN / "sam.npz")[case]) < TOLERANCE


def maskformer_name(name: str) -> str:
    """SwinBackbone's name of a parameter to MaskFormerSwinBackbone's."""
    for old, new in {
        "hidden_states_norms.stage1": "hidden_states_norms.0",
        "hidden_states_norms.stage2": "hidden_states_norms.1",
        "hidden_states_norms.stage3": "hidden_states_norms.2",
        r"^swin\.": "model.",
        "q_proj": "self.query",
        "k_proj": "self.key",
        "v_proj": "self.value",
        "o_proj": "output.dense",
        "relative_position_bias.relative": "self.relative",
        "mlp.fc1": "intermediate.dense",
        "mlp.fc2": "output.dense",
    }.items():
        name = re.sub(old, new, name)
    return name


def timm_weights(weights: dict[str, nn.Parameter]) -> dict[str, Tensor]:
    """SwinBackbone's parameters as timm's Swin has them, which merges patches at the beginning of a stage."""
    renamed: dict[str, Tensor] = {}
    for name, value in weights.items():
        if "q_proj" in name:
            value = torch.cat([weights[name.replace("q_proj", part)] for part in ("q_proj", "k_proj", "v_proj")])
        for old, new in {
            r"swin\.embeddings\.patch_embeddings\.projection": "patch_embed.proj",
            r"swin\.embeddings": "patch_embed",
            r"swin\.encoder\.": "",
            r"swin\.layernorm": "norm",
            "layernorm_before": "norm1",
            "layernorm_after": "norm2",
            "attention": "attn",
            "q_proj": "qkv",
            "o_proj": "proj",
            r"relative_position_bias\.relative": "relative",
        }.items():
            name = re.sub(old, new, name)
        name = re.sub(r"layers\.(\d)\.downsample", lambda found: f"layers.{int(found[1]) + 1}.downsample", name)
        if not re.search(r"[kv]_proj|hidden_states_norms", name):
            renamed[name] = value
    return renamed
