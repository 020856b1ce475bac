"""The vision transformers of torchvision: plain ones, and Swin of both versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hourglass.acceleration.layouts import ROWS
from hourglass.acceleration.resizing import Geometry, bias_of
from hourglass.acceleration.spec import BACKBONES, EncoderSpec, Stage, WindowSpec, grid_of_rows, no_others
from hourglass.acceleration.windows import Grid


def _stages(root: Any, paths: Sequence[str]) -> list[Stage]:
    """Between the stages, patches are embedded and merged."""
    return [
        (part, list(part)) for part in root.features if all(bias_of(block) is not None for block in part.children())
    ]


def _window(block: Any) -> Grid:
    rows, columns = block.attn.window_size
    return rows, columns


def _shift(block: Any) -> Grid:
    rows, columns = block.attn.shift_size
    return rows, columns


def _attributes(block: Any, geometry: Geometry) -> Mapping[str, Any]:
    """All sizes are those of the module that holds the bias."""
    return {}


SPECS = (
    EncoderSpec(("torchvision.models.vision_transformer:VisionTransformer",), use=BACKBONES),
    EncoderSpec(
        ("torchvision.models.swin_transformer:SwinTransformer",),
        use=BACKBONES,
        layout=ROWS,
        others=no_others,
        grid=grid_of_rows,
        stages=_stages,
        windows=WindowSpec(_window, _attributes, _shift),
    ),
)
