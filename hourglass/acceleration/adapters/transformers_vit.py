"""Plain vision transformers of transformers, alone or inside any model that contains one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any

from torch import nn

from hourglass.acceleration.adapters import loaded_classes
from hourglass.acceleration.plain.attachment import Anatomy, PlainHourglass
from hourglass.acceleration.plain.positions import at_cluster_cells
from hourglass.acceleration.plain.squeeze import Squeeze
from hourglass.acceleration.plan import Plan

Keywords = dict[str, Any]
Positions = Sequence[int]


def _none(model: Any) -> Positions:
    return ()


def _stages(model: Any) -> Positions:
    """Of a backbone: its feature maps, as positions among the hidden states, of which the first is the embedding."""
    return [position for position, stage in enumerate(model.stage_names) if stage in model.out_features]


def _stages_without_norm(model: Any) -> Positions:
    return () if model.config.apply_layernorm else _stages(model)


def _inner_stages_without_norm(model: Any) -> Positions:
    """DINOv3 sends its last stage through the norm whatever the configuration says."""
    return [position for position in _stages_without_norm(model) if position + 1 < len(model.stage_names)]


def _dpt_taps(model: Any) -> Positions:
    taps = model.config.backbone_out_indices
    return [block + 1 for block in (taps[2:] if model.config.is_hybrid else taps)]


def _beit_taps(model: Any) -> Positions:
    return [index - 1 for index in model.config.out_indices]


def _rope(block: nn.Module, keywords: Keywords, squeeze: Squeeze) -> Keywords:
    """DINOv3 rotates queries and keys by the position of their patch; clusters have the position of their cell."""
    cos, sin = keywords["position_embeddings"]
    derive = partial(at_cluster_cells, cos, sin, squeeze.grid, squeeze.plan.clusters)
    return {**keywords, "position_embeddings": squeeze.once(cos, derive)}


def _relative_bias(block: Any, keywords: Keywords, squeeze: Squeeze) -> Keywords:
    """BEiT's blocks resize their table of relative positions to the grid of the image: clusters are a coarser one."""
    rows, columns = squeeze.plan.clusters
    return {**keywords, "resolution": (rows * block.patch_size, columns * block.patch_size)}


@dataclass(frozen=True)
class Family:
    """Models of one build.

    Attributes:
        classes: Their classes, ``"module:class"``.
        blocks: Path from the root to the list of blocks.
        norm: Name in the root of the norm after them.
        root: Path from the model to what holds embeddings, blocks and norm; empty for the model itself.
        recorder: Path from the model to the module whose hidden states the model goes on with, if it does.
        used: Positions among the hidden states that it goes on with.
        used_bare: Those of them that it does not send through the norm.
        positions: See `Anatomy`.
    """

    classes: tuple[str, ...]
    blocks: str
    norm: str = "layernorm"
    root: str = ""
    recorder: str = ""
    used: Callable[[Any], Positions] = _none
    used_bare: Callable[[Any], Positions] = _none
    positions: Callable[[Any, Keywords, Squeeze], Keywords] | None = None

    def fits(self, model: nn.Module) -> bool:
        """Whether `model` is one of them, and not built around another encoder."""
        return isinstance(model, loaded_classes(*self.classes)) and _has(model, self.root)


def _classes(package: str, *names: str) -> tuple[str, ...]:
    return tuple(f"transformers.models.{package}.modeling_{package}:{name}" for name in names)


_FAMILIES = (
    Family(
        _classes("vit", "ViTModel")
        + _classes("deit", "DeiTModel")
        + _classes("vit_msn", "ViTMSNModel")
        + _classes("ijepa", "IJepaModel"),
        blocks="layers",
    ),
    Family(
        _classes("dinov2", "Dinov2Model")
        + _classes("dinov2_with_registers", "Dinov2WithRegistersModel")
        + _classes("dpt", "DPTModel"),
        blocks="encoder.layer",
    ),
    Family(
        _classes("dinov2", "Dinov2Backbone") + _classes("dinov2_with_registers", "Dinov2WithRegistersBackbone"),
        blocks="encoder.layer",
        recorder="encoder",
        used=_stages,
        used_bare=_stages_without_norm,
    ),
    Family(
        _classes("dpt", "DPTForDepthEstimation", "DPTForSemanticSegmentation"),
        root="dpt",
        blocks="encoder.layer",
        recorder="dpt",
        used=_dpt_taps,
        used_bare=_dpt_taps,
    ),
    Family(_classes("dinov3_vit", "DINOv3ViTModel"), blocks="model.layer", norm="norm", positions=_rope),
    Family(
        _classes("dinov3_vit", "DINOv3ViTBackbone"),
        blocks="model.layer",
        norm="norm",
        recorder="model",
        used=_stages,
        used_bare=_inner_stages_without_norm,
        positions=_rope,
    ),
    Family(_classes("beit", "BeitModel"), blocks="layers", positions=_relative_bias),
    Family(
        _classes("beit", "BeitBackbone"),
        root="beit",
        blocks="layers",
        recorder="beit",
        used=_stages,
        used_bare=_stages,
        positions=_relative_bias,
    ),
    Family(
        _classes("beit", "BeitForSemanticSegmentation"),
        root="beit",
        blocks="layers",
        recorder="beit",
        used=_beit_taps,
        used_bare=_beit_taps,
        positions=_relative_bias,
    ),
)


class TransformersVit:
    """Every model of the families above."""

    name = "transformers ViT, DeiT, ViT-MSN, I-JEPA, DINOv2 (with registers), DINOv3 ViT, BEiT, DPT, Depth Anything"

    def find(self, model: nn.Module) -> nn.Module | None:
        """The first such encoder in `model`, with the head that reads its hidden states if there is one, or None."""
        return next((module for module in model.modules() if any(family.fits(module) for family in _FAMILIES)), None)

    def attach(self, encoder: nn.Module, model: nn.Module, plan: Plan) -> PlainHourglass:
        """Puts the hourglass into `encoder`.

        Raises:
            ValueError: The plan does not fit.
        """
        family = next(family for family in _FAMILIES if family.fits(encoder))
        root = _at(encoder, family.root)
        if getattr(root, "shared_position_bias", None) is not None:
            raise ValueError(
                f"{type(encoder).__name__} shares one relative position bias between its blocks, which cannot follow "
                "the clusters: BEiT is supported with config.use_shared_relative_position_bias=False"
            )
        used = family.used(encoder)
        if used and plan.start >= max(used):
            raise ValueError(
                f"plan.start is {plan.start}, but {type(encoder).__name__} uses no feature map behind its first "
                f"{max(used)} blocks, so nothing would change: choose 0 to {max(used) - 1}"
            )
        anatomy = Anatomy(
            projection=_projection(root.embeddings),
            blocks=list(_at(root, family.blocks)),
            norm=getattr(root, family.norm),
            prefix=_prefix(root.embeddings),
            positions=family.positions,
        )
        attachment = PlainHourglass(anatomy, encoder, model, plan)
        if plan.reconstruct == "encoder":
            recorder = _at(encoder, family.recorder)
            inner = recorder is root and root is not encoder  # its final norm serves those who call it alone
            attachment.hand_out(encoder, recorder, partial(family.used_bare, encoder), idle_norm=inner)
        return attachment


def _at(module: Any, path: str) -> Any:
    return attrgetter(path)(module) if path else module


def _has(module: nn.Module, path: str) -> bool:
    return not path or hasattr(module, path)


def _projection(embeddings: Any) -> nn.Module:
    """The convolution that makes patches: in the patch embeddings, being them, or behind a hybrid's other backbone."""
    patches = getattr(embeddings, "patch_embeddings", embeddings)
    projection: nn.Module = getattr(patches, "projection", patches)
    return projection


def _prefix(embeddings: Any) -> int:
    tokens = (getattr(embeddings, name, None) for name in ("cls_token", "distillation_token", "register_tokens"))
    return sum(token.shape[1] for token in tokens if token is not None)


ADAPTER = TransformersVit()
