"""Small random models of the supported classes that no other folder's tests use. A patch is 8 x 8 pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import timm
import torch
import transformers
from torch import Tensor, nn
from torchvision.models import SwinTransformer, VisionTransformer
from torchvision.models.swin_transformer import PatchMergingV2, SwinTransformerBlockV2

from ..plain.conftest import BIASED, DEPTH, RESIZED, SQUARE, STAGES, STATES, TINY, Entry, of

TEXT = {
    "vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
    "max_position_embeddings": 8, "eos_token_id": 2,
}  # fmt: skip
POINT = torch.tensor([[[[9.0, 30.0]]]])
WINDOWED = {
    "hidden_size": 32, "output_channels": 8, "num_hidden_layers": 6, "num_attention_heads": 2, "image_size": 44,
    "patch_size": 4, "window_size": 4, "global_attn_indexes": [2, 5], "mlp_dim": 64, "num_pos_feats": 4,
}  # fmt: skip


@dataclass(frozen=True)
class Windowed(Entry):
    """A model whose patches are 4 x 4 pixels and whose windows hold 4 x 4 tokens."""

    prefix: int = 0
    size: tuple[int, int] = (44, 76)

    @property
    def grid(self) -> tuple[int, int]:
        return 4, 4


class Told(nn.Module):
    """A model that is told more than an image, what `inputs` makes of one, and all or some of what it returns."""

    def __init__(self, model: nn.Module, inputs: Callable[[Tensor], dict[str, Any]], *kept: str) -> None:
        super().__init__()
        self.model, self.inputs, self.kept = model, inputs, kept

    def forward(self, images: Tensor, **call: Any) -> Any:
        output = self.model(**self.inputs(images), **call)
        return [output[name] for name in self.kept] or output


def text(images: Tensor) -> dict[str, Any]:
    return {"pixel_values": images, "input_ids": torch.arange(3, 9, device=images.device).repeat(len(images), 1)}


def packed(images: Tensor) -> dict[str, Any]:
    patches = nn.functional.unfold(images, 8, stride=8).transpose(1, 2)
    rows, columns = images.shape[2] // 8, images.shape[3] // 8
    return {
        "pixel_values": patches,
        "pixel_attention_mask": torch.ones(patches.shape[:2], dtype=torch.long, device=images.device),
        "spatial_shapes": torch.tensor([[rows, columns]] * len(images)),
    }


def point(images: Tensor) -> dict[str, Any]:
    return {"pixel_values": images, "input_points": POINT.to(images.device).expand(len(images), 1, 1, 2)}


def expert(images: Tensor) -> dict[str, Any]:
    return {"pixel_values": images, "dataset_index": torch.ones(len(images), dtype=torch.long, device=images.device)}


def both(kind: str, model: str, **settings: Any) -> nn.Module:
    """A model of images and text."""
    config = getattr(transformers, f"{kind}Config")
    return getattr(transformers, model)(config(vision_config=TINY, text_config=TEXT, **settings))


def clip() -> nn.Module:
    return Told(
        both("CLIP", "CLIPModel", projection_dim=16), text, "image_embeds", "text_embeds", "vision_model_output"
    )


def clipseg() -> nn.Module:
    decoder = {"extract_layers": [0, 2, 3], "reduce_dim": 8, "decoder_intermediate_size": 16}
    return Told(both("CLIPSeg", "CLIPSegForImageSegmentation", projection_dim=16, **decoder), text, "logits")


def sam_hq() -> nn.Module:
    prompts = {"hidden_size": 8, "image_size": 44, "patch_size": 4, "mask_input_channels": 4}
    decoder = {
        "hidden_size": 8, "mlp_dim": 16, "num_attention_heads": 2, "iou_head_hidden_dim": 8, "vit_dim": 32,
    }  # fmt: skip
    return transformers.SamHQModel(
        transformers.SamHQConfig(vision_config=WINDOWED, prompt_encoder_config=prompts, mask_decoder_config=decoder)
    )


def tips_dpt() -> nn.Module:
    vision = {key: value for key, value in TINY.items() if key != "intermediate_size"}
    backbone = transformers.Tipsv2VisionConfig(
        **vision, out_features=["stage1", "stage2", "stage3", "stage4"], reshape_hidden_states=False
    )
    config = transformers.Tipsv2DptConfig(
        backbone_config=backbone, neck_hidden_sizes=[8, 8, 8, 8], fusion_hidden_size=8, num_depth_bins=4
    )
    return transformers.Tipsv2DptForDensePrediction(config)


def radio() -> nn.Module:
    config = transformers.RadioConfig(**TINY, max_img_size=128, num_cls_tokens=2, num_registers=2, summary_idxs=[0, 1])
    return transformers.RadioModel(config)


def windowed(package: str, encoder: str, config: str) -> Callable[[], nn.Module]:
    """An encoder in the manner of SAM that transformers keeps in a module of its own."""

    def build() -> nn.Module:
        here = f"transformers.models.{package}"
        settings = getattr(import_module(f"{here}.configuration_{package}"), config)(**WINDOWED)
        return getattr(import_module(f"{here}.modeling_{package}"), encoder)(settings)

    return build


def torchvision_swin(**settings: Any) -> nn.Module:
    return SwinTransformer([4, 4], 16, [2, 4], [2, 4], [4, 4], num_classes=3, **settings)


def sam_vit(**settings: Any) -> nn.Module:
    shape = {"img_size": 64, "patch_size": 4, "embed_dim": 32, "depth": 6, "num_heads": 2, "window_size": 4}
    return timm.create_model(
        "samvit_base_patch16", **shape, global_attn_indexes=(2, 5), neck_chans=8, num_classes=3, **settings
    )


def vitdet(model: str, **settings: Any) -> Callable[[], nn.Module]:
    shape = {"hidden_size": 32, "num_hidden_layers": 6, "num_attention_heads": 2, "image_size": 64, "patch_size": 4}
    shape |= {"pretrain_image_size": 32, "window_size": 4, "window_block_indices": [0, 1, 3, 4]}
    shape |= {"residual_block_indices": [2, 5], "use_relative_position_embeddings": True}
    return of("VitDetConfig", model, use_absolute_position_embeddings=True, **(shape | settings))


class Frames(nn.Module):
    """A model of videos, on videos of two frames: the images, and the images upside down.

    With `one_by_one`, what the model returns is all images of the first frame, then all of the second.
    """

    def __init__(self, model: nn.Module, one_by_one: bool = False) -> None:
        super().__init__()
        self.model, self.one_by_one = model, one_by_one

    def forward(self, images: Tensor, **call: Any) -> Any:
        output = self.model(torch.stack([images, images.flip(2)], dim=1), **call)
        return [value.chunk(2) for value in output.values()] if self.one_by_one else output


@dataclass(frozen=True)
class Parted(Entry):
    """A model with several grids for an image: windows that stay apart in the batch, frames, or pairs of images.

    `parts` are their numbers before and in the deep blocks, which are those behind `start`.
    """

    parts: tuple[int, int] = (4, 4)
    start: int = 1

    @property
    def grid(self) -> tuple[int, int]:
        rows, columns = super().grid
        return (rows // 2, columns // 2) if self.parts == (4, 4) else (rows, columns)


def unmasked(model: nn.Module) -> nn.Module:
    """As its training leaves it."""
    if hasattr(model, "attn_mask_probs"):
        model.attn_mask_probs.zero_()
    return model


def eomt(kind: str) -> Callable[[], nn.Module]:
    build = of(f"{kind}Config", f"{kind}ForUniversalSegmentation", num_queries=5, num_blocks=2, num_labels=3)
    return lambda: unmasked(build())


def videomt() -> nn.Module:
    return Frames(eomt("Videomt")(), one_by_one=True)


class Pairs(Told):
    """SegGPT, whose first hidden states are those of all images, then those of all prompts."""

    def forward(self, images: Tensor, **call: Any) -> Any:
        output = super().forward(images, **call)
        states = [state.chunk(2) if len(state) > len(images) else state for state in output.hidden_states]
        return output.last_hidden_state, output.intermediate_hidden_states, states


def pair(images: Tensor) -> dict[str, Any]:
    upper, lower = images.chunk(2, dim=2)
    return {"pixel_values": upper, "prompt_pixel_values": lower, "prompt_masks": lower.flip(3)}


def seggpt() -> nn.Module:
    shape = {"image_size": (128, 80), "pretrain_image_size": 32, "merge_index": 1, "mlp_dim": 64}
    shape |= {"intermediate_hidden_state_indices": [1, 2, 3], "decoder_hidden_size": 8}
    return Pairs(of("SegGptConfig", "SegGptModel", **shape)(), pair)


def sam3() -> nn.Module:
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 6, "num_attention_heads": 2}
    shape |= {"image_size": 44, "patch_size": 4, "window_size": 4, "global_attn_indexes": [2, 5]}
    return transformers.Sam3ViTModel(transformers.Sam3ViTConfig(**shape, pretrain_image_size=32))


def timm_beit(name: str = "beit_base_patch16_224", **settings: Any) -> nn.Module:
    size = {"img_size": 64, "patch_size": 8, "embed_dim": 32, "depth": DEPTH, "num_heads": 4, "num_classes": 5}
    return timm.create_model(name, **{**size, **settings})


def timm_naflex(name: str, **settings: Any) -> nn.Module:
    size = {"patch_size": 8, "embed_dim": 32, "depth": DEPTH, "num_heads": 4, "num_classes": 5}
    return timm.create_model(name, **size, **settings)


def hiera(**settings: Any) -> nn.Module:
    """Stages of 1, 1 and 4 blocks, of which those of the last three start at block 3."""
    shape = {"embed_dim": 8, "num_heads": 1, "stages": (1, 1, 4, 1), "window_spec": (4, 4, 4, 2)}
    return timm.create_model(
        "sam2_hiera_tiny", **shape, global_att_blocks=(4,), global_pos_size=(4, 4), num_classes=3, **settings
    )


def sam2() -> nn.Module:
    config = transformers.Sam2HieraDetConfig(
        hidden_size=8, image_size=[176, 176], blocks_per_stage=[1, 1, 4, 1], embed_dim_per_stage=[8, 16, 32, 64],
        num_attention_heads_per_stage=[1, 2, 4, 8], window_size_per_stage=[4, 4, 4, 2], global_attention_blocks=[4],
        window_positional_embedding_background_size=[4, 4],
    )  # fmt: skip
    return transformers.Sam2HieraDetModel(config)


def swin_cr(**settings: Any) -> nn.Module:
    shape = {"embed_dim": 16, "depths": (2, 4), "num_heads": (2, 4), "window_size": 4, "img_size": 64, "num_classes": 3}
    return timm.create_model("swinv2_cr_tiny_224", **shape, **settings)


REGISTERS = {"num_register_tokens": 2, "image_size": (64, 64)}
LANGUAGE = [
    Entry("CLIPVisionModel", of("CLIPVisionConfig", "CLIPVisionModel"), 1, call=RESIZED | STATES),
    Entry("CLIPModel", clip, 1, SQUARE),
    Entry("CLIPSegVisionModel", of("CLIPSegVisionConfig", "CLIPSegVisionModel"), 1, call=STATES),
    Entry("CLIPSegForImageSegmentation", clipseg, 1, SQUARE, trains=False),
    Entry("MetaClip2VisionModel", of("MetaClip2VisionConfig", "MetaClip2VisionModel"), 1, call=RESIZED | STATES),
    Entry("AltCLIPVisionModel", of("AltCLIPVisionConfig", "AltCLIPVisionModel"), 1, call=RESIZED | STATES),
    Entry("ChineseCLIPVisionModel", of("ChineseCLIPVisionConfig", "ChineseCLIPVisionModel"), 1, call=RESIZED | STATES),
    Entry(
        "OwlViTForObjectDetection",
        lambda: Told(both("OwlViT", "OwlViTForObjectDetection", projection_dim=32), text),
        1,
        SQUARE,
    ),
    Entry(
        "Owlv2ForObjectDetection",
        lambda: Told(both("Owlv2", "Owlv2ForObjectDetection", projection_dim=32), text),
        1,
        SQUARE,
    ),
    Entry("Owlv2VisionModel", of("Owlv2VisionConfig", "Owlv2VisionModel"), 1, call=RESIZED | STATES),
    Entry("SiglipVisionModel", of("SiglipVisionConfig", "SiglipVisionModel"), 0, call=RESIZED | STATES),
    Entry(
        "Siglip2VisionModel",
        lambda: Told(of("Siglip2VisionConfig", "Siglip2VisionModel", num_patches=64)(), packed),
        0,
        call=STATES,
    ),
    Entry("BlipVisionModel", of("BlipVisionConfig", "BlipVisionModel"), 1, call=RESIZED | STATES),
    Entry("InternVLVisionModel", of("InternVLVisionConfig", "InternVLVisionModel"), 1, call=STATES),
    Entry("Aimv2VisionModel", of("Aimv2VisionConfig", "Aimv2VisionModel", is_native=True), 0, call=STATES),
    Entry("Tipsv2VisionModel", of("Tipsv2VisionConfig", "Tipsv2VisionModel"), 2, call=STATES),
    Entry("Tipsv2VisionBackbone", of("Tipsv2VisionConfig", "Tipsv2VisionBackbone", **STAGES), 2, call=STATES),
    Entry("Tipsv2DptForDensePrediction", tips_dpt, 2),
    Entry("RadioModel", radio, 4, call=STATES),
]
PLAIN = [
    Entry("PixioModel", of("PixioConfig", "PixioModel", n_cls_tokens=3), 3, call=STATES),
    Entry("PixioBackbone", of("PixioConfig", "PixioBackbone", n_cls_tokens=3, **STAGES), 3, call=STATES),
    Entry("Sapiens2Model", of("Sapiens2Config", "Sapiens2Model", **REGISTERS), 3, call=STATES),
    Entry("Sapiens2Backbone", of("Sapiens2Config", "Sapiens2Backbone", **REGISTERS, **STAGES), 3, call=STATES),
    Entry(
        "Sapiens2Backbone, bare",
        of("Sapiens2Config", "Sapiens2Backbone", **REGISTERS, **STAGES, normalize_backbone_outputs=False),
        3,
    ),
    Entry(
        "VitPoseBackbone", of("VitPoseBackboneConfig", "VitPoseBackbone", image_size=(64, 48), **STAGES), 0, (64, 48)
    ),
    Entry(
        "VitPoseBackbone, experts",
        lambda: Told(
            of(
                "VitPoseBackboneConfig",
                "VitPoseBackbone",
                image_size=(64, 48),
                num_experts=2,
                part_features=8,
                **STAGES,
            )(),
            expert,
        ),
        0,
        (64, 48),
    ),
    Entry("YolosModel", of("YolosConfig", "YolosModel", image_size=(64, 64), num_detection_tokens=3), 1, call=STATES),
    Entry(
        "YolosForObjectDetection",
        of(
            "YolosConfig",
            "YolosForObjectDetection",
            image_size=(64, 64),
            num_detection_tokens=3,
            use_mid_position_embeddings=False,
        ),
        1,
    ),
    Parted(
        "RfDetrDinov2Backbone",
        of("RfDetrDinov2Config", "RfDetrDinov2Backbone", num_windows=2, window_block_indexes=[0, 2], **STAGES),
        1,
        (64, 64),
        call=STATES,
    ),
    Parted(
        "LwDetrViTBackbone",
        of(
            "LwDetrViTConfig",
            "LwDetrViTBackbone",
            num_windows=4,
            window_block_indices=[0, 2],
            pretrain_image_size=32,
            **STAGES,
        ),
        0,
        (64, 96),
        call=STATES,
    ),
    Entry("EomtForUniversalSegmentation", eomt("Eomt"), 5, SQUARE, call=STATES, trains=False),
    Entry("EomtDinov3ForUniversalSegmentation", eomt("EomtDinov3"), 5, SQUARE, call=STATES, trains=False),
    Parted("VideomtForUniversalSegmentation", videomt, 5, SQUARE, parts=(2, 2), trains=False),
    Parted("VideomtForUniversalSegmentation, queries", videomt, 5, SQUARE, parts=(2, 1), start=2, trains=False),
    Parted("SegGptModel, pairs", seggpt, 0, (128, 80), call=STATES, parts=(2, 2)),
    Parted("SegGptModel", seggpt, 0, (128, 80), call=STATES, parts=(2, 1), start=2),
    Parted(
        "VideoMAEModel",
        lambda: Frames(of("VideoMAEConfig", "VideoMAEModel", num_frames=2, tubelet_size=1)()),
        0,
        SQUARE,
        call=STATES,
        parts=(2, 2),
    ),
    Parted(
        "VJEPA2Model",
        lambda: Frames(
            of(
                "VJEPA2Config",
                "VJEPA2Model",
                crop_size=64,
                frames_per_clip=2,
                tubelet_size=1,
                pred_hidden_size=16,
                pred_num_attention_heads=2,
                pred_num_hidden_layers=1,
            )()
        ),
        0,
        SQUARE,
        call=STATES,
        parts=(2, 2),
    ),
    Entry("Data2VecVisionModel", of("Data2VecVisionConfig", "Data2VecVisionModel", **BIASED), 1, SQUARE, call=STATES),
    Entry(
        "Data2VecVisionForSemanticSegmentation",
        of(
            "Data2VecVisionConfig",
            "Data2VecVisionForSemanticSegmentation",
            **BIASED | {"image_size": 64},
            out_indices=[1, 2, 3, 4],
        ),
        1,
        SQUARE,
    ),
    Entry("timm BEiT", timm_beit, 1, SQUARE),
    Entry("timm BEiT, features", lambda: timm_beit(features_only=True, out_indices=(0, 2, 3)), 1, SQUARE),
    Entry("timm BEiT, shared bias", lambda: timm_beit(use_rel_pos_bias=False, use_shared_rel_pos_bias=True), 1, SQUARE),
    Entry("timm relative ViT", lambda: timm_beit("vit_relpos_small_patch16_224"), 0, SQUARE),
    Entry(
        "timm relative ViT, class", lambda: timm_beit("vit_relpos_base_patch16_cls_224", rel_pos_type="bias"), 1, SQUARE
    ),
    Entry("timm relative ViT, shared bias", lambda: timm_beit("vit_srelpos_small_patch16_224"), 0, SQUARE),
    Entry("timm NaFlexViT", lambda: timm_naflex("naflexvit_base_patch16_gap"), 4),
    Entry("timm NaFlexViT, rotary", lambda: timm_naflex("naflexvit_base_patch16_gap", rope_type="axial"), 4),
    Entry("torchvision ViT", lambda: VisionTransformer(64, 8, DEPTH, 4, 32, 64, num_classes=3), 1, SQUARE),
]
WINDOWS = [
    Windowed(
        "GotOcr2VisionEncoder", windowed("got_ocr2", "GotOcr2VisionEncoder", "GotOcr2VisionConfig"), size=(44, 44)
    ),
    Windowed(
        "DeepseekOcr2SamVisionEncoder",
        windowed("deepseek_ocr2", "DeepseekOcr2SamVisionEncoder", "DeepseekOcr2SamVisionConfig"),
        size=(44, 44),
    ),
    Windowed(
        "SamHQVisionModel", windowed("sam_hq", "SamHQVisionModel", "SamHQVisionConfig"), size=(44, 44), call=STATES
    ),
    Windowed("SamHQModel", lambda: Told(sam_hq(), point), size=(44, 44)),
    Windowed("Sam3ViTModel", sam3, size=(44, 44), call=STATES),
    Windowed("VitDetModel", vitdet("VitDetModel"), call=STATES),
    Windowed(
        "VitDetBackbone", vitdet("VitDetBackbone", out_features=["stage1", "stage3", "stage5", "stage6"]), call=STATES
    ),
    Windowed("timm samvit", sam_vit),
    Windowed("timm samvit, features", lambda: sam_vit(features_only=True, out_indices=(1, 3, 5))),
    Windowed("timm SwinV2-CR", swin_cr, size=(64, 64)),
    Windowed("timm SwinV2-CR, features", lambda: swin_cr(features_only=True), size=(64, 64)),
    Windowed("Sam2HieraDetModel", sam2, size=(176, 176), call=STATES),
    Windowed("timm SAM 2 Hiera", hiera, size=(176, 176)),
    Windowed("timm SAM 2 Hiera, features", lambda: hiera(features_only=True), size=(176, 176)),
    Windowed("torchvision Swin", torchvision_swin),
    Windowed(
        "torchvision SwinV2", lambda: torchvision_swin(block=SwinTransformerBlockV2, downsample_layer=PatchMergingV2)
    ),
]
