"""How each reference model was trained: what it starts from, its stages, what is kept of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hourglass.bench import models
from hourglass.bench.models.detector import IMAGENET_STD
from hourglass.bench.models.inference import IMAGENET_MEAN
from hourglass.bench.models.reference import fcos_scenes
from hourglass.bench.training.heads import MasksAndClasses
from hourglass.bench.training.loop import Stage
from hourglass.bench.training.photos import Boxes, Photos
from hourglass.bench.training.scenes import TrainingScenes
from hourglass.bench.training.swin import DetectorWithClasses, SceneBoxes, SceneMasks
from hourglass.bench.training.token_boxes import TokenBoxes, without_encoder
from hourglass.bench.training.tokens import StandardisedTokens, TokenClasses
from hourglass.bench.training.vit import ClassesAndDepth, CropsOfClassesAndDepth, WholeScenes

SCENES = 4000
"""Training scenes of every recipe."""

FROZEN = 4
"""First blocks of the plain detector's encoder that stay as the Segmenter's training left them."""

State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Recipe:
    """How one model is trained.

    Attributes:
        build: The module that is trained, with random weights.
        stages: From the data folder to what is done with it.
        parent: Recipe whose result this one starts from.
        adopt: Loads the parent's result into the new module.
        keep: The part of the trained module that is saved; all of it when None.
    """

    build: Callable[[], nn.Module]
    stages: Callable[[Path], tuple[Stage, ...]]
    parent: str | None = None
    adopt: Callable[[Any, State], None] | None = None
    keep: Callable[[Any], nn.Module] | None = None


def _scenes(data: Path) -> TrainingScenes:
    return TrainingScenes(data / "training-scenes", SCENES)


def _reference(name: str) -> Callable[[], nn.Module]:
    return lambda: models.build_untrained(name)


def _encoder_to_dpt(model: nn.Module, state: State) -> None:
    """Timm's ViT into transformers' DPT: the same blocks under other names, q, k and v apart."""
    encoder = {key.removeprefix("encoder."): value for key, value in state.items() if key.startswith("encoder.")}
    renamed = {
        "embeddings.cls_token": encoder["cls_token"],
        "embeddings.position_embeddings": encoder["pos_embed"],
        "embeddings.patch_embeddings.projection.weight": encoder["patch_embed.proj.weight"],
        "embeddings.patch_embeddings.projection.bias": encoder["patch_embed.proj.bias"],
    }
    names = {
        "norm1": "layernorm_before",
        "norm2": "layernorm_after",
        "attn.proj": "attention.output.dense",
        "mlp.fc1": "intermediate.dense",
        "mlp.fc2": "output.dense",
    }
    for key, value in encoder.items():
        if not key.startswith("blocks."):
            continue
        _, block, rest = key.split(".", 2)
        module, kind = rest.rsplit(".", 1)
        target = f"encoder.layer.{block}"
        if module == "attn.qkv":
            for name, part in zip(("query", "key", "value"), value.chunk(3), strict=True):
                renamed[f"{target}.attention.attention.{name}.{kind}"] = part
        else:
            renamed[f"{target}.{names[module]}.{kind}"] = value
    _load_all(model.dpt.dpt, renamed)  # type: ignore[union-attr,arg-type]


def _swin_of_detector(state: State) -> State:
    prefix = "fcos.backbone.swin."
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def _load_all(module: nn.Module, state: State) -> None:
    """Load a part of the module's state; every given key must fit."""
    unexpected = module.load_state_dict(state, strict=False).unexpected_keys
    if unexpected:
        raise ValueError(f"state: {len(unexpected)} keys fit nowhere, for example '{unexpected[0]}'")


def _all_but_classes(model: nn.Module, state: State) -> None:
    """A detector for other classes: everything but the layer that scores them."""
    _load_all(model, {k: v for k, v in state.items() if "cls_logits" not in k})


def _for_standardised_images(encoder: State) -> State:
    """An encoder of images in [-1, 1], changed to give the same for images less ImageNet's mean over its deviation."""
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    weight, bias = encoder["patch_embed.proj.weight"].float(), encoder["patch_embed.proj.bias"].float()
    return encoder | {
        "patch_embed.proj.weight": weight * (2 * std).view(3, 1, 1),
        "patch_embed.proj.bias": bias + weight.sum((2, 3)) @ (2 * mean - 1),
    }


def _vitdet() -> nn.Module:
    model: Any = models.build_untrained("vitdet-scenes")
    encoder = model.fcos.backbone.tokens.encoder
    for frozen in (encoder.patch_embed, *encoder.blocks[:FROZEN]):
        frozen.requires_grad_(False)
    return model  # type: ignore[no-any-return]


def _segmenters_encoder(model: nn.Module, state: State) -> None:
    encoder = {k.removeprefix("encoder."): v for k, v in state.items() if k.startswith("encoder.")}
    _load_all(model.fcos.backbone.tokens.encoder, _for_standardised_images(encoder))  # type: ignore[union-attr,arg-type]


def _heads_on_detector() -> nn.Module:
    model: Any = models.build_untrained("vitmask-scenes").requires_grad_(False)
    model.heads.requires_grad_(True)
    return model  # type: ignore[no-any-return]


def _masks_from_detector(model: nn.Module, state: State) -> None:
    encoder = model.mask2former.model.pixel_level_module.encoder  # type: ignore[union-attr]
    _load_all(encoder, _swin_of_detector(state))  # type: ignore[arg-type]


VIT_SCENES = Recipe(
    build=lambda: ClassesAndDepth(models.build_untrained("segmenter-scenes")),  # type: ignore[arg-type]
    stages=lambda data: (Stage(CropsOfClassesAndDepth(_scenes(data), batch=16, side=16), 700, 1.2e-3),),
    keep=lambda model: model.segmenter,
)

SEGMENTER_SCENES = Recipe(
    build=_reference("segmenter-scenes"),
    stages=lambda data: (Stage(WholeScenes(_scenes(data), batch=8), 80, 4e-4),),
    parent="vit-scenes",
    adopt=_load_all,
)

DPT_SCENES = Recipe(
    build=_reference("dpt-scenes"),
    stages=lambda data: (
        Stage(WholeScenes(_scenes(data), batch=8), 130, 6e-4),
        Stage(WholeScenes(_scenes(data), batch=4), 380, 3e-4),
        Stage(WholeScenes(_scenes(data), batch=4), 120, 2e-4),
    ),
    parent="vit-scenes",
    adopt=_encoder_to_dpt,
)

FCOS_SCENES = Recipe(
    build=lambda: DetectorWithClasses(fcos_scenes(), classes=11),  # type: ignore[arg-type]
    stages=lambda data: (Stage(SceneBoxes(_scenes(data), batch=8), 900, 1e-3),),
    keep=lambda model: model.detector,
)

VITDET_SCENES = Recipe(
    build=_vitdet,
    stages=lambda data: (Stage(SceneBoxes(_scenes(data), batch=4), 700, 6e-4),),
    parent="segmenter-scenes",
    adopt=_segmenters_encoder,
)

VITMASK_SCENES = Recipe(
    build=_heads_on_detector,
    stages=lambda data: (Stage(MasksAndClasses(_scenes(data), batch=4), 360, 2e-3),),  # type: ignore[arg-type]
    parent="vitdet-scenes",
    adopt=_load_all,
    keep=lambda model: nn.ModuleDict({"heads": model.heads}),
)

MASK2FORMER_SCENES = Recipe(
    build=_reference("mask2former-scenes"),
    stages=lambda data: (Stage(SceneMasks(_scenes(data), batch=8), 700, 8e-4),),
    parent="fcos-scenes",
    adopt=_masks_from_detector,
)

DINOV2_CAMVID = Recipe(
    build=lambda: StandardisedTokens("dinov2-camvid"),
    stages=lambda data: (
        Stage(
            TokenClasses("dinov2-camvid", Photos("camvid", "semantic-segmentation", data), batch=4),
            steps=900,
            learning_rate=1e-3,
            weight_decay=0.1,
        ),
    ),
    keep=lambda model: model.folded(),
)

FCOS_BCCD = Recipe(
    build=_reference("fcos-bccd"),
    stages=lambda data: (Stage(Boxes(Photos("bccd", "object-detection", data), batch=8), 350, 8e-4),),
    parent="fcos-scenes",
    adopt=_all_but_classes,
)

DINOV2_BCCD = Recipe(
    build=lambda: without_encoder("dinov2-bccd"),
    stages=lambda data: (
        Stage(TokenBoxes("dinov2-bccd", Photos("bccd", "object-detection", data), batch=8), 800, 1e-3),
    ),
)
