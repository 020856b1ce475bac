"""Vision transformers of timm whose attention learned a bias for each pair of places of one grid.

For clusters, that of a pair is the mean over all pairs of tokens in their pooling cells, whatever made it.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor

from hourglass.acceleration.bias import pooled
from hourglass.acceleration.encoders.swin import own_attributes, own_shift, own_window, stages
from hourglass.acceleration.encoders.timm import Methods
from hourglass.acceleration.hourglass import Hourglass
from hourglass.acceleration.layouts import ROWS
from hourglass.acceleration.patch import patch_of
from hourglass.acceleration.spec import BACKBONES, Arguments, EncoderSpec, WindowSpec, grid_of_rows, no_others
from hourglass.acceleration.state import ForwardState

_MAKERS = ("get_bias", "_get_rel_pos_bias", "_relative_positional_encodings")


def _bias_inside(hourglass: Hourglass, root: Any) -> None:
    for block in hourglass.deep_blocks():
        for module in block.modules():
            if any(hasattr(module, maker) for maker in _MAKERS):
                hourglass.extend(module, PooledBias)


class PooledBias:
    """What makes a bias (..., tokens, tokens), by the names that timm gives it."""

    def get_bias(self) -> Tensor:
        """The module's own; for clusters, pooled."""
        return _pooled(self, super().get_bias())  # type: ignore[misc]

    def _get_rel_pos_bias(self) -> Tensor:
        return _pooled(self, super()._get_rel_pos_bias())  # type: ignore[misc]

    def _relative_positional_encodings(self) -> Tensor:
        return _pooled(self, super()._relative_positional_encodings())  # type: ignore[misc]


def _pooled(module: Any, bias: Tensor) -> Tensor:
    slot = patch_of(module).slot
    if slot.geometry is not None:
        return pooled(bias, 0, module.window_size, slot.geometry.window)
    return bias if slot.current is None else _of_grid(bias, slot.current)


def _of_grid(bias: Tensor, state: ForwardState) -> Tensor:
    prefix = bias.shape[-1] - state.grid[0] * state.grid[1]
    return pooled(bias, prefix, state.grid, state.small_grid)


def _shared_bias(block: Any, arguments: Arguments, state: ForwardState) -> Arguments:
    """All blocks may be given one bias."""
    args, kwargs = arguments
    for name in ("shared_rel_pos_bias", "shared_rel_pos"):
        if (bias := kwargs.get(name)) is not None:
            kwargs = {**kwargs, name: state.once(bias, partial(_of_grid, bias, state))}
    return args, kwargs


SPECS = (
    EncoderSpec(
        ("timm.models.beit:Beit", "timm.models.vision_transformer_relpos:VisionTransformerRelPos"),
        use=BACKBONES,
        arguments=_shared_bias,
        methods=Methods,
        also=_bias_inside,
    ),
    EncoderSpec(
        ("timm.models.swin_transformer_v2_cr:SwinTransformerV2Cr",),
        use=BACKBONES,
        children=("timm.models.swin_transformer_v2_cr:SwinTransformerV2CrStage",),
        layout=ROWS,
        others=no_others,
        grid=grid_of_rows,
        stages=stages,
        windows=WindowSpec(own_window, own_attributes, own_shift),
        also=_bias_inside,
    ),
)
