"""Plain encoders most of whose blocks attend in windows: SAM and its kin, ViTDet.

Tokens are (B, H, W, C), or (B, C, H, W) in ViTDet of transformers. Blocks without windows attend to all of the smaller
grid; both kinds of attention interpolate their position tables to whatever grid they meet, so only the window changes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from hourglass.acceleration.encoders.timm import CoarseMethods, Methods
from hourglass.acceleration.encoders.transformers import classes, stages
from hourglass.acceleration.layouts import CHANNELS_FIRST, ROWS
from hourglass.acceleration.resizing import Geometry
from hourglass.acceleration.spec import BACKBONES, EncoderSpec, Stage, WindowSpec, grid_of_rows, no_others
from hourglass.acceleration.windows import Grid, made_once, middles, spans


def _size(block: Any) -> Grid:
    return block.window_size, block.window_size


def _attributes(block: Any, geometry: Geometry) -> Mapping[str, Any]:
    return {"window_size": geometry.window[0] if block.window_size else 0}


def _grid_behind(block: Any, args: tuple[Any, ...]) -> Grid:
    return args[0].shape[2], args[0].shape[3]


def _global_blocks(encoder: Any) -> Collection[int]:
    return [index for index, block in enumerate(encoder.layers) if block.window_size == 0]


def _rotary_attributes(block: Any, geometry: Geometry) -> Mapping[str, Any]:
    """SAM 3 rotates queries and keys by positions (tokens, 2), columns first, that a block keeps for its window."""
    ids, sides = block.position_ids, geometry.spans
    if block.window_size:
        rows, columns = (spans(block.window_size, block.window_size, few) for few in geometry.window)
        sides = rows, columns
    # Those of one token and the next are 1 apart, or less where the model was trained on smaller grids.
    step = ids[1:2, 0] if len(ids) > 1 else 1
    places = made_once(_places, middles(sides[0]), middles(sides[1]), ids.dtype, ids.device)
    return {**_attributes(block, geometry), "position_ids": places * step}


def _places(rows: tuple[float, ...], columns: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    sides = (torch.tensor(side, dtype=torch.float32, device=device) for side in (columns, rows))
    across, down = torch.meshgrid(*sides, indexing="xy")
    return torch.stack([across.flatten(), down.flatten()], dim=1).to(dtype)


def _without_rotary(encoder: Any) -> None:
    if getattr(encoder, "rope_global", None) is not None:
        raise ValueError(
            "VisionTransformerSAM keeps rotary positions of one size inside of its blocks, which cannot follow the "
            "clusters: it is supported with use_rope=False"
        )


# SAM 2 pools its tokens at the beginning of a stage. Its long stage is worth an hourglass of its own.


def _pools(block: Any) -> bool:
    return block.dim != block.dim_out or any(
        getattr(block, name, None) is not None for name in ("query_stride", "q_stride")
    )


def _runs(root: Any, paths: Sequence[str]) -> list[Stage]:
    """Blocks on one grid; one that pools is alone."""
    runs: list[list[Any]] = [[]]
    for block in root.blocks:
        if _pools(block):
            runs += [[block], []]
        else:
            runs[-1].append(block)
    return [(root, run) for run in runs if run]


def _size_unless_pooling(block: Any) -> Grid:
    window = block.window_size
    return (0, 0) if _pools(block) else window if isinstance(window, tuple) else (window, window)


def _both_sides(block: Any, geometry: Geometry) -> Mapping[str, Any]:
    return {"window_size": geometry.window} if block.is_windowed else {}


_PROMPTS = "segmentation by prompts, and reading: SAM, SAM-HQ, SAM 2, SAM 3, GOT-OCR 2"
_windowed = partial(
    EncoderSpec, layout=ROWS, others=no_others, grid=grid_of_rows, windows=WindowSpec(_size, _attributes, square=True)
)

SPECS = (
    _windowed(
        classes("sam", "SamVisionEncoder")
        + classes("got_ocr2", "GotOcr2VisionEncoder")
        + classes("deepseek_ocr2", "DeepseekOcr2SamVisionEncoder"),
        use=_PROMPTS,
        records=True,
    ),
    # It hands out what its global blocks make, too.
    _windowed(classes("sam_hq", "SamHQVisionEncoder"), use=_PROMPTS, records=True, taps=_global_blocks),
    _windowed(
        classes("sam3", "Sam3ViTModel"),
        use=_PROMPTS,
        records=True,
        windows=WindowSpec(_size, _rotary_attributes, square=True),
    ),
    _windowed(
        classes("sam2", "Sam2HieraDetModel"),
        use=_PROMPTS,
        records=True,
        stages=_runs,
        windows=WindowSpec(_size_unless_pooling, _attributes, square=True),
    ),
    _windowed(classes("vitdet", "VitDetModel"), use=BACKBONES, records=True, layout=CHANNELS_FIRST, grid=_grid_behind),
    _windowed(
        classes("vitdet", "VitDetBackbone"),
        use="detection and matting: ViTDet, VitMatte",
        records=True,
        layout=CHANNELS_FIRST,
        grid=_grid_behind,
        taps=stages,
        taps_alone=True,
    ),
    # They hand out nothing but their last feature map, or what is asked of their methods.
    _windowed(("detectron2.modeling.backbone.vit:ViT",), use="detection: ViTDet"),
    _windowed(
        ("timm.models.hieradet_sam2:HieraDet",),
        use=BACKBONES,
        methods=CoarseMethods,
        stages=_runs,
        windows=WindowSpec(_size_unless_pooling, _both_sides),
    ),
    _windowed(
        ("timm.models.vision_transformer_sam:VisionTransformerSAM",),
        use=BACKBONES,
        methods=Methods,
        check=_without_rotary,
    ),
)
