"""Plain encoders most of whose blocks attend in windows: SAM of transformers, ViTDet of detectron2.

Tokens are (B, H, W, C). Blocks without windows attend to all of the smaller grid; both kinds of attention interpolate
their position tables to whatever grid they meet, so only the window changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hourglass.acceleration.layouts import ROWS, Others
from hourglass.acceleration.resizing import Geometry
from hourglass.acceleration.spec import EncoderSpec, WindowSpec
from hourglass.acceleration.windows import Grid


def _none(root: Any) -> Others:
    return 0, 0


def _grid(block: Any, args: tuple[Any, ...]) -> Grid:
    return int(args[0].shape[1]), int(args[0].shape[2])


def _size(block: Any) -> Grid:
    return block.window_size, block.window_size


def _attributes(block: Any, geometry: Geometry) -> Mapping[str, Any]:
    return {"window_size": geometry.window[0] if block.window_size else 0}


_WINDOWS = WindowSpec(_size, _attributes, square=True)

SPECS = (
    EncoderSpec(
        classes=("transformers.models.sam.modeling_sam:SamVisionEncoder",),
        layout=ROWS,
        others=_none,
        grid=_grid,
        windows=_WINDOWS,
        records=True,
    ),
    # It hands out nothing but its last feature map.
    EncoderSpec(
        classes=("detectron2.modeling.backbone.vit:ViT",), layout=ROWS, others=_none, grid=_grid, windows=_WINDOWS
    ),
)
