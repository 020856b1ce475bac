"""Swin and SwinV2: of transformers, alone or inside another model, of timm, and of detectron2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from hourglass.acceleration.layouts import ROWS, SEQUENCE
from hourglass.acceleration.resizing import Geometry, bias_of
from hourglass.acceleration.spec import BACKBONES, Arguments, EncoderSpec, Stage, WindowSpec, grid_of_rows, no_others
from hourglass.acceleration.state import ForwardState
from hourglass.acceleration.windows import Grid


def stages(root: Any, paths: Sequence[str]) -> list[Stage]:
    """The layers that have blocks; they are the encoder's own children where timm made it a list of features."""
    layers = getattr(root, "layers", getattr(root, "stages", None))
    return [
        (stage, stage.blocks) for stage in (root.children() if layers is None else layers) if hasattr(stage, "blocks")
    ]


def _window(block: Any) -> Grid:
    rows, columns = bias_of(block).window_size
    return rows, columns


# transformers: tokens (B, H * W, C) beside their grid, windows by their side.


def _grid_argument(block: Any, args: tuple[Any, ...]) -> Grid:
    rows, columns = args[1]
    return int(rows), int(columns)


def _small_grid_argument(block: Any, arguments: Arguments, state: ForwardState) -> Arguments:
    (_, *args), kwargs = arguments
    return (state.small_grid, *args), kwargs


def _square_shift(block: Any) -> Grid:
    return block.shift_size, block.shift_size


def _square_attributes(block: Any, geometry: Geometry) -> Mapping[str, Any]:
    return {"window_size": geometry.window[0], "shift_size": geometry.shift[0]}


_SQUARE = WindowSpec(_window, _square_attributes, _square_shift, square=True)
_transformers = partial(
    EncoderSpec,
    layout=SEQUENCE,
    others=no_others,
    grid=_grid_argument,
    arguments=_small_grid_argument,
    stages=stages,
    windows=_SQUARE,
)


def _whole_stage(output: Any, state: ForwardState) -> Any:
    """MaskFormer's stages hand out what goes into and comes out of each block: of block 0, of block 1, ..."""
    tokens, dimensions, states = output
    if states is None:
        return output
    whole = [state.whole_state(place // 2 + place % 2, value) for place, value in enumerate(states)]
    return tokens, dimensions, tuple(whole)


# timm: tokens (B, H, W, C), windows of any shape.


def own_window(block: Any) -> Grid:
    """Of a block that keeps both sides."""
    rows, columns = block.window_size
    return rows, columns


def own_shift(block: Any) -> Grid:
    """Likewise."""
    rows, columns = block.shift_size
    return rows, columns


def own_attributes(block: Any, geometry: Geometry) -> Mapping[str, Any]:
    """Of a block that keeps its mask as well."""
    return {
        "window_size": geometry.window,
        "window_area": geometry.window[0] * geometry.window[1],
        "shift_size": geometry.shift,
        "attn_mask": geometry.mask,
        "dynamic_mask": False,
        # Older releases put the windows back by what they were made for, not by the tokens.
        "input_resolution": geometry.grid,
        "feat_size": geometry.grid,
    }


# detectron2 and those who build on it: tokens (B, H * W, C); a stage sets the grid as attributes ``H`` and ``W`` of
# each block, and hands it the mask.


def _grid_attributes(block: Any, args: tuple[Any, ...]) -> Grid:
    return block.H, block.W


def _attributes_with_grid(block: Any, geometry: Geometry) -> Mapping[str, Any]:
    rows, columns = geometry.grid
    return {**_square_attributes(block, geometry), "H": rows, "W": columns}


_SWIN = "backbones: Mask2Former, MaskFormer, OneFormer, Mask DINO, UperNet"

SPECS = (
    _transformers(
        classes=(
            "transformers.models.swin.modeling_swin:SwinEncoder",
            "transformers.models.swinv2.modeling_swinv2:Swinv2Encoder",
            "transformers.models.donut.modeling_donut_swin:DonutSwinEncoder",
        ),
        use=_SWIN,
    ),
    _transformers(
        classes=("transformers.models.maskformer.modeling_maskformer_swin:MaskFormerSwinEncoder",),
        use=_SWIN,
        stage_output=_whole_stage,
    ),
    EncoderSpec(
        classes=(
            "timm.models.swin_transformer:SwinTransformer",
            "timm.models.swin_transformer_v2:SwinTransformerV2",
        ),
        use=BACKBONES,
        children=(
            "timm.models.swin_transformer:SwinTransformerStage",
            "timm.models.swin_transformer_v2:SwinTransformerV2Stage",
        ),
        layout=ROWS,
        others=no_others,
        grid=grid_of_rows,
        stages=stages,
        windows=WindowSpec(own_window, own_attributes, own_shift),
    ),
    EncoderSpec(
        classes=tuple(
            f"{package}.modeling.backbone.swin:SwinTransformer"
            for package in ("detectron2", "mask2former", "maskdino", "mask_former", "oneformer")
        ),
        use=_SWIN,
        layout=SEQUENCE,
        others=no_others,
        grid=_grid_attributes,
        stages=stages,
        windows=WindowSpec(_window, _attributes_with_grid, _square_shift, square=True),
    ),
)
