"""How the rival methods get into a model and out of it: by the same patches as the hourglass."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from torch import nn

from hourglass.acceleration.patch import Patch, patches

VIT = "timm.models.vision_transformer:VisionTransformer"
VIT_BLOCK = "timm.models.vision_transformer:Block"
DPT = "transformers.models.dpt.modeling_dpt:DPTModel"
DPT_LAYER = "transformers.models.dpt.modeling_dpt:DPTViTLayer"


def is_a(module: nn.Module, target: str, *, exactly: bool = False) -> bool:
    """Whether a module is of the class ``"module:class"``; none is if its framework was never imported."""
    package, name = target.split(":")
    kind = getattr(sys.modules.get(package), name, None)
    return kind is not None and (type(module) is kind if exactly else isinstance(module, kind))


def find(model: nn.Module, targets: Sequence[str]) -> nn.Module | None:
    """The first module in `model` of one of the classes, or None."""
    return next((module for module in model.modules() if any(is_a(module, target) for target in targets)), None)


def refuse_patched(model: nn.Module, kind: type[Patch], done: str) -> None:
    """Raises ValueError if a model was changed by a method before."""
    for patch in patches(model):
        how = (
            f"{done} in this model already" if isinstance(patch, kind) else "another method changed this model already"
        )
        raise ValueError(f"{how}: remove that first")
