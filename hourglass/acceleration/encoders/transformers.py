"""Plain vision transformers of transformers, alone or inside any model that contains one."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any

from hourglass.acceleration.positions import at_cluster_cells
from hourglass.acceleration.spec import Arguments, EncoderSpec
from hourglass.acceleration.state import ForwardState


def _classes(package: str, *names: str) -> tuple[str, ...]:
    return tuple(f"transformers.models.{package}.modeling_{package}:{name}" for name in names)


# Which blocks a model goes on with. Hidden states are counted with the embeddings before them, blocks are not.


def _stages(model: Any) -> Collection[int]:
    """Of a backbone: its feature maps."""
    stages = enumerate(model.stage_names)
    return [position - 1 for position, stage in stages if stage in model.out_features and position > 0]


def _normed_stages(model: Any) -> Collection[int]:
    return _stages(model) if model.config.apply_layernorm else ()


def _bare_stages(model: Any) -> Collection[int]:
    return () if model.config.apply_layernorm else _stages(model)


def _normed_inner_stages(model: Any) -> Collection[int]:
    """DINOv3 sends its last stage through the norm whatever the configuration says."""
    last = len(model.stage_names) - 2
    return [block for block in _stages(model) if model.config.apply_layernorm or block == last]


def _bare_inner_stages(model: Any) -> Collection[int]:
    return [block for block in _stages(model) if block not in _normed_inner_stages(model)]


def _dpt_taps(model: Any) -> Collection[int]:
    taps = model.config.backbone_out_indices
    return list(taps[2:] if model.config.is_hybrid else taps)


def _beit_taps(model: Any) -> Collection[int]:
    return [index - 2 for index in model.config.out_indices]


# What blocks are told about positions.


def _rotary(block: Any, arguments: Arguments, state: ForwardState) -> Arguments:
    """DINOv3 rotates queries and keys by the position of their patch; clusters have the position of their cell."""
    args, kwargs = arguments
    cos, sin = kwargs["position_embeddings"]
    derive = partial(at_cluster_cells, cos, sin, state.grid, state.small_grid)
    return args, {**kwargs, "position_embeddings": state.once(cos, derive)}


def _relative_bias(block: Any, arguments: Arguments, state: ForwardState) -> Arguments:
    """BEiT's blocks resize their table of relative positions to the grid of the image: clusters are a coarser one."""
    args, kwargs = arguments
    rows, columns = state.small_grid
    return args, {**kwargs, "resolution": (rows * block.patch_size, columns * block.patch_size)}


def _own_bias(model: Any) -> None:
    root = getattr(model, "beit", model)
    if getattr(root, "shared_position_bias", None) is not None:
        raise ValueError(
            f"{type(model).__name__} shares one relative position bias between its blocks, which cannot follow the "
            "clusters: BEiT is supported with config.use_shared_relative_position_bias=False"
        )


_plain = partial(EncoderSpec, records=True)
_around = partial(EncoderSpec, records=True, taps_alone=True)
_beit = partial(EncoderSpec, records=True, arguments=_relative_bias, check=_own_bias)

SPECS = (
    _plain(
        _classes("vit", "ViTModel")
        + _classes("deit", "DeiTModel")
        + _classes("vit_msn", "ViTMSNModel")
        + _classes("ijepa", "IJepaModel")
        + _classes("dinov2", "Dinov2Model")
        + _classes("dinov2_with_registers", "Dinov2WithRegistersModel")
        + _classes("dpt", "DPTModel")
    ),
    _around(
        _classes("dinov2", "Dinov2Backbone") + _classes("dinov2_with_registers", "Dinov2WithRegistersBackbone"),
        taps=_bare_stages,
        normed_taps=_normed_stages,
    ),
    _around(_classes("dpt", "DPTForDepthEstimation", "DPTForSemanticSegmentation"), root="dpt", taps=_dpt_taps),
    _plain(_classes("dinov3_vit", "DINOv3ViTModel"), arguments=_rotary),
    _around(
        _classes("dinov3_vit", "DINOv3ViTBackbone"),
        taps=_bare_inner_stages,
        normed_taps=_normed_inner_stages,
        arguments=_rotary,
    ),
    _beit(_classes("beit", "BeitModel")),
    _beit(_classes("beit", "BeitBackbone"), root="beit", taps=_stages, taps_alone=True),
    _beit(_classes("beit", "BeitForSemanticSegmentation"), root="beit", taps=_beit_taps, taps_alone=True),
)
