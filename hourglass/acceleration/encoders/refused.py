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
                )
            ),
            "timm.models.hiera:Hiera",
            "timm.models.mvitv2:MultiScaleVit",
            "timm.models.pvt_v2:PyramidVisionTransformerV2",
            "timm.models.maxxvit:MaxxVit",
            "timm.models.davit:DaVit",
            "timm.models.convnext:ConvNeXt",
        ),
        reason="pools its tokens every few blocks, so clusters would pay off nowhere: it is fast by itself",
    ),
)
