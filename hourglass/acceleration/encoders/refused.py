"""Encoders that cannot be an hourglass, and why."""

from __future__ import annotations

from hourglass.acceleration.spec import Refusal

SPECS = (
    Refusal(
        classes=(
            *(
                f"transformers.models.{package}.modeling_{package}:{name}"
                for package, name in (
                    ("segformer", "SegformerModel"),
                    ("pvt", "PvtModel"),
                    ("pvt_v2", "PvtV2Model"),
                    ("hiera", "HieraModel"),
                    ("hiera", "HieraBackbone"),
                    ("glpn", "GLPNModel"),
                    ("dinat", "DinatModel"),
                    ("focalnet", "FocalNetModel"),
                    ("florence2", "Florence2VisionBackbone"),
                    ("cvt", "CvtModel"),
                    ("poolformer", "PoolFormerModel"),
                )
            ),
            "timm.models.hiera:Hiera",
            "timm.models.mvitv2:MultiScaleVit",
            "timm.models.pvt_v2:PyramidVisionTransformerV2",
            "timm.models.maxxvit:MaxxVit",
            "timm.models.davit:DaVit",
            "timm.models.convnext:ConvNeXt",
            "timm.models.twins:Twins",
            "timm.models.nest:Nest",
            "timm.models.coat:CoaT",
            "torchvision.models.maxvit:MaxVit",
            "torchvision.models.video.mvit:MViT",
        ),
        reason="pools its tokens every few blocks, so clusters would pay off nowhere: it is fast by itself",
    ),
    Refusal(
        classes=tuple(
            f"transformers.models.{package}.modeling_{package}:{name}"
            for package, name in (("vit_mae", "ViTMAEModel"), ("groupvit", "GroupViTVisionTransformer"))
        ),
        reason="drops or groups most of its tokens, so no grid is left to cluster: use another encoder",
    ),
    Refusal(
        classes=tuple(
            f"transformers.models.{package}.modeling_{package}:{name}"
            for package, name in (
                ("idefics2", "Idefics2VisionTransformer"),
                ("idefics3", "Idefics3VisionTransformer"),
                ("smolvlm", "SmolVLMVisionTransformer"),
                ("qwen2_vl", "Qwen2VisionTransformerPretrainedModel"),
            )
        ),
        reason="packs or pads images of several sizes into one sequence, so they have no grid in common: use an "
        "encoder of images of one size",
    ),
)
