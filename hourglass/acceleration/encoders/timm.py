"""Plain vision transformers of timm: ViT, DeiT, DINOv2 and their kin, and the rotary ones, DINOv3 among them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from hourglass.acceleration.patch import patch_of
from hourglass.acceleration.positions import at_cluster_cells
from hourglass.acceleration.spec import BACKBONES, Arguments, EncoderSpec
from hourglass.acceleration.state import ForwardState
from hourglass.acceleration.windows import Grid


class Methods:
    """What runs the blocks of these encoders without calling them as a module."""

    def forward_features(self, *args: Any, **kwargs: Any) -> Any:
        """The encoder's own."""
        patch = patch_of(self)  # type: ignore[arg-type]
        try:
            return patch.finish(super().forward_features(*args, **kwargs))  # type: ignore[misc]
        finally:
            patch.slot.end()

    def forward_intermediates(self, x: Tensor, indices: Any = None, *args: Any, **kwargs: Any) -> Any:
        """The encoder's own, with the blocks asked for handing out full resolution.

        In the published form, maps that go through the final norm are brought back behind it.
        """
        patch = patch_of(self)  # type: ignore[arg-type]
        norm = kwargs.get("norm", args[1] if len(args) > 1 else False)
        slot = patch.slot
        if patch.plan.reconstruct == "encoder" and not (norm and patch.leaves_clusters()):
            slot.taps = _taken(len(self.blocks), indices)  # type: ignore[attr-defined]
        try:
            output = super().forward_intermediates(x, indices, *args, **kwargs)  # type: ignore[misc]
            return patch.finish(output, checked=False)
        finally:
            slot.taps = frozenset()
            slot.end()


class CoarseMethods(Methods):
    """For those that are asked for the last blocks of stages, which hand out full resolution anyway."""

    def forward_intermediates(self, x: Tensor, indices: Any = None, *args: Any, **kwargs: Any) -> Any:
        """The encoder's own; with ``coarse=False``, as of plain ones."""
        if not (args[4] if len(args) > 4 else kwargs.get("coarse", True)):
            return super().forward_intermediates(x, indices, *args, **kwargs)
        patch = patch_of(self)  # type: ignore[arg-type]
        try:
            output = super(Methods, self).forward_intermediates(x, indices, *args, **kwargs)  # type: ignore[misc]
            return patch.finish(output, checked=False)
        finally:
            patch.slot.end()


def _taken(count: int, indices: int | Sequence[int] | None) -> frozenset[int]:
    """Blocks that timm takes: all of them, the last so many, or those listed, from the end where negative."""
    blocks = range(count)
    if indices is None or isinstance(indices, int):
        return frozenset(blocks[-(indices or count) :])
    return frozenset(blocks[index] for index in indices)


def _rotary(block: Any, arguments: Arguments, state: ForwardState) -> Arguments:
    """Queries and keys are rotated by the position of their patch; clusters have the position of their cell."""
    args, kwargs = arguments
    rope = kwargs.get("rope")
    if rope is None:
        return arguments
    return args, {**kwargs, "rope": state.once(rope, partial(_at_clusters, rope, state))}


def _at_clusters(rope: Tensor, state: ForwardState) -> Tensor:
    sin, cos = rope.chunk(2, dim=-1)
    cos, sin = at_cluster_cells(cos, sin, state.grid, state.small_grid)
    return torch.cat([sin, cos], dim=-1)


def _naflex_grid(root: Any, args: tuple[Any, ...], output: Any) -> Grid:
    if output[1] is None:
        raise ValueError(
            "patches of images of several sizes have no grid in common: run NaFlexVit on images of one "
            "size, (batch, 3, height, width)"
        )
    rows, columns = output[1]
    return int(rows), int(columns)


SPECS = (
    EncoderSpec(
        classes=("timm.models.vision_transformer:VisionTransformer", "timm.models.eva:Eva"),
        use=BACKBONES,
        arguments=_rotary,
        methods=Methods,
    ),
    # Its patch embedding returns tokens and their grid, which is None for images of several sizes in one sequence.
    EncoderSpec(
        ("timm.models.naflexvit:NaFlexVit",),
        use=BACKBONES,
        patches=("embeds",),
        image_grid=_naflex_grid,
        arguments=_rotary,
        methods=Methods,
    ),
)
