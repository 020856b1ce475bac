"""Plain vision transformers of transformers, alone or inside any model that contains one."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any

from hourglass.acceleration.positions import at_cluster_cells
from hourglass.acceleration.spec import BACKBONES, Arguments, EncoderSpec
from hourglass.acceleration.state import ForwardState


def classes(package: str, *names: str, file: str = "") -> tuple[str, ...]:
    """``"module:class"`` of classes in one package of transformers' models, and in its file unless another is named."""
    return tuple(f"transformers.models.{package}.modeling_{file or package}:{name}" for name in names)


# Which blocks a model goes on with. Hidden states are counted with the embeddings before them, blocks are not.


def stages(model: Any) -> Collection[int]:
    """Of a backbone: its feature maps."""
    named = enumerate(model.stage_names)
    return [position - 1 for position, stage in named if stage in model.out_features and position > 0]


def normed_stages(model: Any) -> Collection[int]:
    """Of a backbone: those that go through its norm."""
    return stages(model) if model.config.apply_layernorm else ()


def bare_stages(model: Any) -> Collection[int]:
    """Of a backbone: those that do not."""
    return () if model.config.apply_layernorm else stages(model)


def _normed_inner_stages(model: Any) -> Collection[int]:
    """DINOv3 sends its last stage through the norm whatever the configuration says."""
    last = len(model.stage_names) - 2
    return [block for block in stages(model) if model.config.apply_layernorm or block == last]


def _bare_inner_stages(model: Any) -> Collection[int]:
    return [block for block in stages(model) if block not in _normed_inner_stages(model)]


def _normed_sapiens_stages(model: Any) -> Collection[int]:
    return stages(model) if model.config.normalize_backbone_outputs else ()


def _bare_sapiens_stages(model: Any) -> Collection[int]:
    return () if model.config.normalize_backbone_outputs else stages(model)


def _dpt_taps(model: Any) -> Collection[int]:
    taps = model.config.backbone_out_indices
    return list(taps[2:] if model.config.is_hybrid else taps)


def _beit_taps(model: Any) -> Collection[int]:
    return [index - 2 for index in model.config.out_indices]


# What blocks are told about positions.


def rotary(block: Any, arguments: Arguments, state: ForwardState) -> Arguments:
    """DINOv3 rotates queries and keys by the position of their patch; clusters have the position of their cell."""
    args, kwargs = arguments
    cos, sin = kwargs["position_embeddings"]
    derive = partial(at_cluster_cells, cos, sin, state.grid, state.small_grid)
    return args, {**kwargs, "position_embeddings": state.once(cos, derive)}


def _relative_bias(block: Any, arguments: Arguments, state: ForwardState) -> Arguments:
    """BEiT's blocks resize their table of relative positions to the grid of the image: clusters are a coarser one."""
    args, kwargs = arguments
    patch = getattr(block, "patch_size", None) or block.attention.attention.config.patch_size
    rows, columns = state.small_grid
    resolution = rows * patch, columns * patch
    if args and "resolution" not in kwargs:  # the last of positional arguments, before version 5
        return (*args[:-1], resolution), kwargs
    return args, {**kwargs, "resolution": resolution}


def _own_bias(model: Any) -> None:
    if model.config.use_shared_relative_position_bias:
        raise ValueError(
            f"{type(model).__name__} shares one relative position bias between its blocks, which cannot follow the "
            "clusters: it is supported with config.use_shared_relative_position_bias=False"
        )


_plain = partial(EncoderSpec, records=True)
_around = partial(EncoderSpec, records=True, taps_alone=True)
_data2vec = partial(classes, "data2vec", file="data2vec_vision")
_beit = partial(EncoderSpec, records=True, arguments=_relative_bias, check=_own_bias)

_FEATURES = "feature maps for any decoder: Depth Anything, ZoeDepth, DPT, UperNet"
_SEGMENTATION = "semantic segmentation"

SPECS = (
    _plain(
        classes("vit", "ViTModel")
        + classes("deit", "DeiTModel")
        + classes("vit_msn", "ViTMSNModel")
        + classes("ijepa", "IJepaModel")
        + classes("dinov2", "Dinov2Model")
        + classes("dinov2_with_registers", "Dinov2WithRegistersModel")
        + classes("dpt", "DPTModel")
        + classes("pixio", "PixioModel"),
        use=BACKBONES,
    ),
    _around(
        classes("dinov2", "Dinov2Backbone") + classes("dinov2_with_registers", "Dinov2WithRegistersBackbone"),
        use=_FEATURES,
        taps=bare_stages,
        normed_taps=normed_stages,
    ),
    _around(
        classes("dpt", "DPTForDepthEstimation", "DPTForSemanticSegmentation"),
        use="depth estimation and segmentation: DPT, hybrid too",
        root="dpt",
        taps=_dpt_taps,
    ),
    # A norm of its own follows the maps of this backbone, in place of its root's.
    _around(classes("pixio", "PixioBackbone"), use=_FEATURES, root="pixio", norm=(), taps=stages),
    _around(
        classes("vitpose_backbone", "VitPoseBackbone"),
        use="pose estimation: ViTPose",
        normed_taps=stages,
        takes_masks=False,
    ),
    _plain(
        classes("dinov3_vit", "DINOv3ViTModel") + classes("sapiens2", "Sapiens2Model"),
        use=BACKBONES,
        arguments=rotary,
    ),
    _around(
        classes("sapiens2", "Sapiens2Backbone"),
        use="segmentation, normals, pose and matting of people: Sapiens 2",
        taps=_bare_sapiens_stages,
        normed_taps=_normed_sapiens_stages,
        arguments=rotary,
    ),
    _around(
        classes("dinov3_vit", "DINOv3ViTBackbone"),
        use=_FEATURES,
        taps=_bare_inner_stages,
        normed_taps=_normed_inner_stages,
        arguments=rotary,
    ),
    _beit(classes("beit", "BeitModel") + _data2vec("Data2VecVisionModel"), use=BACKBONES),
    _beit(classes("beit", "BeitBackbone"), use=_FEATURES, root="beit", taps=stages, taps_alone=True),
    # Before version 5, the backbone is no model around another.
    _beit(classes("beit", "BeitBackbone"), use=_FEATURES, taps=stages, taps_alone=True),
    _beit(
        classes("beit", "BeitForSemanticSegmentation"),
        use=_SEGMENTATION,
        root="beit",
        taps=_beit_taps,
        taps_alone=True,
    ),
    _beit(
        _data2vec("Data2VecVisionForSemanticSegmentation"),
        use=_SEGMENTATION,
        root="data2vec_vision",
        taps=_beit_taps,
        taps_alone=True,
    ),
)
