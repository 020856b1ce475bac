"""The models that are timed, at their published sizes with random weights; and tiny ones to rehearse with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from hourglass.acceleration.plan import Plan
from hourglass.bench.measuring.gpu_design import PLANS, Form, Published


@dataclass(frozen=True)
class Subject:
    """A model with two plans.

    Attributes:
        design: What the estimate on paper is for.
        build: Makes the model.
        size: Height and width of an image.
        plans: One of each form.
        batch: Images of a larger batch, whose launches cost less for each.
    """

    design: Published
    build: Callable[[], nn.Module]
    size: tuple[int, int]
    plans: dict[Form, Plan]
    batch: int = 8

    @property
    def name(self) -> str:
        """Model and input."""
        return self.design.name


def subjects() -> tuple[Subject, ...]:
    """Those of the table of the design, in its order, and a DINOv2 on a plan of this project."""
    from hourglass.bench.models import full_size

    segmenter, dpt, swin, sam = PLANS
    dino = Published("DINOv2-L, 518 x 518", 1, (37, 37), (26, 26), 1024, ((14, 1),), 5, 20, (1024,))
    return (
        Subject(
            segmenter,
            full_size.segmenter_ade20k,
            (640, 640),
            _plans(10, segmenter, reconstruct="decoder"),
        ),
        Subject(dpt, full_size.dpt_hybrid_kitti, (352, 1216), _plans(5, dpt)),
        Subject(swin, full_size.swin_large, (800, 1333), _plans(10, swin), batch=4),
        Subject(sam, _sam_huge, (1024, 1024), _plans(6, sam), batch=2),
        Subject(dino, _dinov2_large, (518, 518), _plans(10, dino)),
    )


def tiny_subjects() -> tuple[Subject, ...]:
    """A plain model and one with windows, small enough for a test."""
    plain = Published("tiny ViT, 48 x 48", 1, (6, 6), (3, 3), 16, ((1, 1),), 2, 4, (16,))
    windowed = Published("tiny Swin, 64 x 64", 16, (4, 4), (2, 2), 8, ((1, 1),), 2, 3, (8,))
    return (
        Subject(plain, _tiny_vit, (48, 48), _plans(1, plain), batch=2),
        Subject(windowed, _tiny_swin, (64, 64), _plans(1, windowed), batch=2),
    )


def _plans(start: int, design: Published, **published: str) -> dict[Form, Plan]:
    common = {"start": start, "clusters": design.clusters, "iterations": design.iterations}
    return {
        "published": Plan(**common, neighbors=design.neighbors, form="published", **published),  # type: ignore[arg-type]
        "residual": Plan(**common),  # type: ignore[arg-type]
    }


def _sam_huge() -> nn.Module:
    from transformers import SamVisionConfig, SamVisionModel

    model: nn.Module = SamVisionModel(
        SamVisionConfig(
            hidden_size=1280,
            num_hidden_layers=32,
            num_attention_heads=16,
            mlp_dim=5120,
            global_attn_indexes=[7, 15, 23, 31],
        )
    )
    return model


def _dinov2_large() -> nn.Module:
    from transformers import Dinov2Config, Dinov2Model

    shape = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16}
    model: nn.Module = Dinov2Model(Dinov2Config(**shape, image_size=518, patch_size=14))
    return model


def _tiny_vit() -> nn.Module:
    import timm

    size = {"img_size": 48, "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2, "num_classes": 0}
    model: nn.Module = timm.create_model("vit_tiny_patch16_224", **size, global_pool="")
    return model


def _tiny_swin() -> nn.Module:
    from transformers import SwinBackbone, SwinConfig

    shape = {"embed_dim": 8, "depths": [2], "num_heads": [2], "window_size": 4, "image_size": 64}
    model: nn.Module = SwinBackbone(SwinConfig(**shape, out_features=["stage1"]))
    return model
