"""Plain vision transformers of timm: ViT, DeiT, DINOv2 and their kin, and the rotary ones, DINOv3 among them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from hourglass.acceleration.adapters import loaded_classes
from hourglass.acceleration.plain.attachment import Anatomy, PlainHourglass
from hourglass.acceleration.plain.positions import at_cluster_cells
from hourglass.acceleration.plain.squeeze import Squeeze
from hourglass.acceleration.plan import Plan


class TimmVit:
    """timm's `VisionTransformer` with all its subclasses, and `Eva`."""

    name = "timm VisionTransformer (ViT, DeiT, DINOv2, hybrids) and Eva (EVA-02, DINOv3, rotary ViT)"

    def find(self, model: nn.Module) -> nn.Module | None:
        """The first such encoder in `model`, or None."""
        kinds = loaded_classes("timm.models.vision_transformer:VisionTransformer", "timm.models.eva:Eva")
        return next((module for module in model.modules() if isinstance(module, kinds)), None)

    def attach(self, encoder: nn.Module, model: nn.Module, plan: Plan) -> PlainHourglass:
        """Puts the hourglass into `encoder`.

        Raises:
            ValueError: The plan does not fit.
        """
        return TimmHourglass(encoder, model, plan)


class TimmHourglass(PlainHourglass):
    """Feature maps leave these encoders by a method rather than by a module's call, so that is wrapped too."""

    def __init__(self, encoder: Any, model: nn.Module, plan: Plan) -> None:
        """Registers the hooks, and stands in for `encoder.forward_intermediates`."""
        anatomy = Anatomy(
            projection=encoder.patch_embed.proj,
            blocks=list(encoder.blocks),
            norm=encoder.norm,
            prefix=encoder.num_prefix_tokens,
            positions=_rope,
        )
        super().__init__(anatomy, encoder, model, plan)
        self._encoder = encoder
        if plan.reconstruct == "encoder":
            encoder.forward_intermediates = self.forward_intermediates

    def detach(self) -> None:
        """Gives the method back and takes the hooks away."""
        super().detach()
        self._encoder.__dict__.pop("forward_intermediates", None)

    def forward_intermediates(self, *args: Any, **kwargs: Any) -> Any:
        """The encoder's own, with the blocks asked for handing out full resolution.

        Maps that go through the final norm are reconstructed after it.
        """
        method = type(self._encoder).forward_intermediates
        asked = inspect.signature(method).bind(self._encoder, *args, **kwargs).arguments
        if not asked.get("norm", False):
            self.passing.taps = _taken(len(self._encoder.blocks), asked.get("indices"))
        try:
            return method(self._encoder, *args, **kwargs)
        finally:
            self.passing.taps, self.passing.tapped = frozenset(), None


def _taken(count: int, indices: int | Sequence[int] | None) -> frozenset[int]:
    """Blocks that timm takes: all of them, the last so many, or those listed, from the end where negative."""
    blocks = range(count)
    if indices is None or isinstance(indices, int):
        return frozenset(blocks[-(indices or count) :])
    return frozenset(blocks[index] for index in indices)


def _rope(block: nn.Module, kwargs: dict[str, Any], squeeze: Squeeze) -> dict[str, Any]:
    rope = kwargs.get("rope")
    if rope is None:
        return kwargs
    return {**kwargs, "rope": squeeze.once(rope, partial(_at_clusters, rope, squeeze))}


def _at_clusters(rope: Tensor, squeeze: Squeeze) -> Tensor:
    sin, cos = rope.chunk(2, dim=-1)
    cos, sin = at_cluster_cells(cos, sin, squeeze.grid, squeeze.plan.clusters)
    return torch.cat([sin, cos], dim=-1)


ADAPTER = TimmVit()
