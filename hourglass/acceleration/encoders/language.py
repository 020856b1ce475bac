"""Plain vision transformers of transformers that were trained with a model of text, or hand their tokens to one.

The model of text is none of these classes, so it is left alone.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from hourglass.acceleration.encoders.transformers import bare_stages, classes, normed_stages
from hourglass.acceleration.spec import BACKBONES, EncoderSpec
from hourglass.acceleration.windows import Grid


def _radio_grid(root: Any, args: tuple[Any, ...], tokens: Any) -> Grid:
    """RADIO cuts patches out of an image (B, C, H, W) itself, unless it gets them packed."""
    if len(args) > 1:
        raise ValueError(
            "images of several sizes packed into one sequence have no grid in common: run RadioModel without "
            "image_grid_hw, on images of one size"
        )
    height, width = args[0].shape[-2:]
    return height // root.config.patch_size, width // root.config.patch_size


def _siglip2_grid(root: Any, args: tuple[Any, ...], tokens: Any) -> Grid:
    """SigLIP 2 gets patches (B, patches, C) and the grids that they were cut from."""
    if torch.compiler.is_compiling():
        raise ValueError(
            "the grids of Siglip2VisionModel are values of spatial_shapes, which neither torch.compile nor "
            "torch.export looks at: run it as it is, or trace it with torch.jit.trace for one size"
        )
    grids = {tuple(grid) for grid in args[1].tolist()}
    (rows, columns), *more = grids
    if more or rows * columns != tokens.shape[1]:
        raise ValueError(
            f"Siglip2VisionModel got images of the grids {sorted(grids)}, padded to {tokens.shape[1]} patches, and "
            "padding must not be clustered with an image: give it images of one size, and max_num_patches as many as "
            "they have"
        )
    return rows, columns


_plain = partial(EncoderSpec, records=True)
# Their last norm sees the class token alone, or nothing.
_unnormed = partial(EncoderSpec, records=True, norm=())

_TOWERS = "vision towers of models of images and text"

SPECS = (
    _unnormed(
        # Since version 5 a model of its own, before that a module inside it.
        classes("clip", "CLIPVisionModel", "CLIPVisionTransformer")
        + classes("metaclip_2", "MetaClip2VisionModel", "MetaClip2VisionTransformer")
        + classes("altclip", "AltCLIPVisionModel", "AltCLIPVisionTransformer")
        + classes("chinese_clip", "ChineseCLIPVisionModel", "ChineseCLIPVisionTransformer"),
        use=_TOWERS,
    ),
    _unnormed(
        classes("clipseg", "CLIPSegVisionModel", "CLIPSegVisionTransformer"),
        use="segmentation of what a text or an image names: CLIPSeg",
    ),
    _unnormed(
        classes("owlvit", "OwlViTVisionTransformer") + classes("owlv2", "Owlv2VisionTransformer"),
        use="detection of what a text names: OWL-ViT, OWLv2",
    ),
    _plain(
        classes("siglip", "SiglipVisionModel", "SiglipVisionTransformer")
        + classes("blip", "BlipVisionModel")
        + classes("internvl", "InternVLVisionModel")
        + classes("tipsv2", "Tipsv2VisionModel"),
        use=_TOWERS,
    ),
    _plain(classes("aimv2", "Aimv2VisionModel"), use=_TOWERS, norm=("rms_norm",)),
    _plain(
        classes("siglip2", "Siglip2VisionModel", "Siglip2VisionTransformer"),
        use=_TOWERS,
        patches=("embeddings",),
        image_grid=_siglip2_grid,
    ),
    _unnormed(classes("radio", "RadioModel"), use=BACKBONES, patches=("embeddings",), image_grid=_radio_grid),
    EncoderSpec(
        classes("tipsv2", "Tipsv2VisionBackbone"),
        use="depth, normals and segmentation: DPT on TIPS v2",
        records=True,
        taps_alone=True,
        taps=bare_stages,
        normed_taps=normed_stages,
    ),
)
