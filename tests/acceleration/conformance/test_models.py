"""What is special to some models: several encoders, models of text beside them, and what they cannot take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn
from torchvision.models.maxvit import MaxVit

import hourglass
from hourglass import Plan
from hourglass.acceleration.patch import patches

from ..plain.conftest import TINY, Entry, of
from ..releases import newer
from .models import (
    Frames,
    Told,
    both,
    clip,
    eomt,
    hiera,
    packed,
    pair,
    radio,
    sam_vit,
    seggpt,
    text,
    timm_naflex,
    videomt,
    vitdet,
)

PLAN = Plan(1, (3, 4))
FEATURES = {"out_features": ["stage1", "stage2", "stage3", "stage4"]}


def depth_pro() -> nn.Module:
    """On three encoders."""
    encoder = transformers.Dinov2Config(**{**TINY, "image_size": 32})
    config = transformers.DepthProConfig(
        fusion_hidden_size=8, patch_size=32, intermediate_hook_ids=[3, 1], intermediate_feature_dims=[8, 8],
        scaled_images_ratios=[0.5, 1.0], scaled_images_overlap_ratios=[0.0, 0.25], scaled_images_feature_dims=[8, 8],
        merge_padding_value=1, num_fov_head_layers=0, image_model_config=encoder, patch_model_config=encoder,
        fov_model_config=encoder, use_fov_model=True,
    )  # fmt: skip
    return transformers.DepthProForDepthEstimation(config)


def zoe_depth() -> nn.Module:
    backbone = transformers.BeitConfig(
        **{**TINY, "image_size": (64, 64)}, **FEATURES, use_relative_position_bias=True, reshape_hidden_states=False,
        add_fpn=False,
    )  # fmt: skip
    config = transformers.ZoeDepthConfig(
        backbone_config=backbone, neck_hidden_sizes=[8, 8, 8, 8], fusion_hidden_size=8, bottleneck_features=8,
        num_relative_features=8, patch_transformer_hidden_size=8, patch_transformer_num_attention_heads=2,
        patch_transformer_intermediate_size=8, bin_embedding_dim=8, num_attractors=[2, 2, 2, 2],
        bin_configurations=[{"n_bins": 4, "min_depth": 0.001, "max_depth": 10.0, "name": "one"}],
    )  # fmt: skip
    return transformers.ZoeDepthForDepthEstimation(config)


def prompt_depth_anything() -> nn.Module:
    backbone = transformers.Dinov2Config(**TINY, **FEATURES, reshape_hidden_states=False)
    config = transformers.PromptDepthAnythingConfig(
        backbone_config=backbone, patch_size=8, reassemble_hidden_size=32, neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8, head_hidden_size=8,
    )  # fmt: skip
    return transformers.PromptDepthAnythingForDepthEstimation(config)


def vitmatte() -> nn.Module:
    size = {"image_size": 192, "pretrain_image_size": 64, "patch_size": 16, "num_channels": 4}
    backbone = vitdet("VitDetBackbone", **size, out_features=["stage6"])().config
    return transformers.VitMatteForImageMatting(
        transformers.VitMatteConfig(backbone_config=backbone, hidden_size=32, fusion_hidden_sizes=[16, 8, 8, 8])
    )


def with_trimap(images: Tensor) -> Tensor:
    return torch.cat([images, images[:, :1]], dim=1)


AROUND = [
    (Entry("Depth Pro", depth_pro, 1, (64, 64)), 3, 1, (2, 2), (4, 4), None),
    (Entry("ZoeDepth", zoe_depth, 1, (64, 64)), 1, 1, (3, 4), (8, 8), None),
    (Entry("Prompt Depth Anything", prompt_depth_anything, 1, (64, 64)), 1, 1, (3, 4), (8, 8), None),
    (Entry("ViTMatte", vitmatte, 0, (192, 192)), 1, 3, (2, 2), (4, 4), with_trimap),
]


@pytest.mark.filterwarnings("ignore:.*save nothing")
@pytest.mark.parametrize(
    ("entry", "encoders", "start", "clusters", "finest", "inputs"), AROUND, ids=lambda value: getattr(value, "name", "")
)
@torch.no_grad()
def test_models_around_encoders(
    entry: Entry,
    encoders: int,
    start: int,
    clusters: tuple[int, int],
    finest: tuple[int, int],
    inputs: Callable[[Tensor], Tensor] | None,
):
    images = entry.images() if inputs is None else inputs(entry.images())
    model = entry.model()
    before = entry.run(model, images)
    after = entry.run(hourglass.apply(model, Plan(start, clusters)), images)
    assert len(hourglass.summary(model)) == encoders
    assert [value.shape for value in after] == [value.shape for value in before]
    assert not all(map(torch.equal, after, before))
    assert all(map(torch.equal, entry.run(hourglass.remove(model), images), before))
    for one, other in zip(
        entry.run(hourglass.apply(model, Plan(start, finest, sharpness=1e6)), images), before, strict=True
    ):
        assert torch.dist(one, other) <= 1e-4 * other.norm() + 1e-5


def hooked(model: nn.Module) -> list[str]:
    """Modules that anything was put on."""
    return [name for name, module in model.named_modules() if module._forward_pre_hooks or module._forward_hooks]


@pytest.mark.parametrize(
    "build",
    [clip, lambda: Told(both("Owlv2", "Owlv2ForObjectDetection", projection_dim=32), text)],
    ids=["CLIP", "OWLv2"],
)
@torch.no_grad()
def test_models_of_text_are_left_alone(build: Callable[[], nn.Module]):
    model = build().eval()
    hourglass.apply(model, PLAN)
    assert len(patches(model)) == 1
    touched = hooked(model)
    assert any("vision" in name for name in touched)
    assert not any("text" in name for name in touched)


def message(model: nn.Module, plan: Plan, run: Callable[[nn.Module], Any]) -> str:
    with pytest.raises(ValueError, match=r"\w") as caught:
        run(hourglass.apply(model.eval(), plan))
    return str(caught.value)


def padded(images: Tensor) -> dict[str, Any]:
    inputs = packed(images)
    inputs["spatial_shapes"][0] = torch.tensor([4, 8])
    inputs["pixel_attention_mask"][0, 32:] = 0
    return inputs


SQUARES = torch.randn(2, 3, 64, 64)


@newer
@torch.no_grad()
def test_images_of_several_sizes_in_one_sequence_are_refused():
    model = Told(of("Siglip2VisionConfig", "Siglip2VisionModel", num_patches=64)(), padded)
    assert "padded to 64 patches" in message(model, PLAN, lambda model: model(SQUARES))
    grids = torch.tensor([[2, 2], [2, 3]])
    patches_of_both = torch.randn(10, 3 * 64)
    assert "packed into one sequence" in message(radio(), PLAN, lambda model: model(patches_of_both, grids))
    sequence = {
        "patches": torch.randn(2, 12, 3 * 64),
        "patch_coord": torch.cartesian_prod(torch.arange(3), torch.arange(4)).expand(2, 12, 2),
        "patch_valid": torch.ones(2, 12, dtype=torch.bool),
    }
    model = timm_naflex("naflexvit_base_patch16_gap")
    assert "no grid in common" in message(model, PLAN, lambda model: model(sequence))


@newer
def test_sizes_that_a_compiler_does_not_see_are_refused():
    model = Told(of("Siglip2VisionConfig", "Siglip2VisionModel", num_patches=64)(), packed).eval()
    hourglass.apply(model, PLAN)
    with pytest.raises(ValueError, match="values of spatial_shapes"):
        torch.export.export(model, (SQUARES,))


@newer
@pytest.mark.parametrize("kind", ["Eomt", "EomtDinov3"])
def test_masks_of_queries_are_refused(kind):
    model = eomt(kind)()
    assert "masks the attention of its queries" in message(model, PLAN, lambda model: model.train()(SQUARES))
    hourglass.remove(model)
    model.attn_mask_probs.fill_(0.5)
    assert "attn_mask_probs.zero_()" in message(model, PLAN, lambda model: None)
    assert not hourglass.is_applied(model)
    model.attn_mask_probs.zero_()
    hourglass.apply(model, PLAN)
    model.attn_mask_probs.fill_(0.5)
    with pytest.raises(ValueError, match="masks the attention of its queries"):
        model(SQUARES)


@newer
@torch.no_grad()
def test_hidden_states_of_a_video_are_refused():
    assert "as many as it has frames" in message(
        videomt(), PLAN, lambda model: model(SQUARES, output_hidden_states=True)
    )


@torch.no_grad()
def test_rows_that_cannot_be_halved_are_refused():
    model = seggpt()
    inputs = pair(torch.randn(2, 3, 128, 80))
    plan = Plan(2, (3, 4))
    assert "choose an even number of rows" in message(
        model, plan, lambda model: model.model(**inputs, feature_ensemble=True)
    )
    hourglass.apply(hourglass.remove(model), Plan(2, (4, 4)))
    assert torch.isfinite(model.model(**inputs, feature_ensemble=True).last_hidden_state).all()


@newer
def test_what_no_plan_fits_is_refused():
    rotary = sam_vit(use_rel_pos=False, use_rope=True)
    assert "use_rope=False" in message(rotary, Plan(3, (2, 2)), lambda model: None)
    assert "choose another start" in message(hiera(), Plan(2, (2, 2)), lambda model: None)  # a block that pools
    pooling = MaxVit((64, 64), 8, 1, [8], [1], 8, 0.0, num_classes=2)
    assert message(pooling, PLAN, lambda model: None).startswith("MaxVit pools its tokens every few blocks")


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("RfDetrDinov2Backbone", "all tokens of each of its windows"),
        ("LwDetrViTBackbone", "all tokens of each of its windows"),
        ("VideoMAEModel", "all tokens of each frame"),
        ("VJEPA2Model", "all tokens of each frame"),
        ("Dinov2Model", "all tokens"),
    ],
)
def test_a_summary_says_what_is_clustered_by_itself(by_name, name, tokens):
    case = by_name[name]
    (here,) = hourglass.summary(hourglass.apply(case.model(), case.plan()))
    assert f": {tokens} become 3 x 4 clusters in blocks 2 to 4 of 4" in str(here)


@torch.no_grad()
def test_frames_of_a_video_do_not_meet_in_a_cluster():
    model = Frames(of("VideoMAEConfig", "VideoMAEModel", num_frames=2, tubelet_size=1)()).eval()
    hourglass.apply(model, PLAN)
    from hourglass.acceleration.clustering import watched

    with watched() as clusterings:
        model(SQUARES)
    (clusters,) = clusterings
    assert clusters.grid == (8, 8)
    assert clusters.small.shape == (4, 3, 4, 32)
