"""Models of detectron2 and of those who build on it: ViTDet, Mask2Former, MaskDINO, and DINO through detrex.

Written against detectron2 0.6 (commit 02b5c4e), Mask2Former (commit 9b0651c), MaskDINO (commit 3831d85) and detrex
(commit e244e6c). The last three have deformable attention compiled for CUDA. Without it, Mask2Former and MaskDINO
compute it with torch by themselves, and detrex is made to, by `attend_with_torch`.
"""

from __future__ import annotations

import sys
from collections import UserDict
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hourglass.bench.backends import NotCompiled, require, stand_in
from hourglass.bench.tasks.mask_queries import MASK2FORMER, LogitDecoding
from hourglass.registry import UserError


@dataclass
class Queries:
    """Mask queries, named as transformers names them.

    Attributes:
        class_queries_logits: (B, Q, K), or (B, Q, K + 1) with "no object".
        masks_queries_logits: (B, Q, h, w).
        decoding: Of the class logits.
    """

    class_queries_logits: Tensor
    masks_queries_logits: Tensor
    decoding: LogitDecoding


class MaskQueries(nn.Module):
    """Mask2Former, or MaskDINO, behind the project's interface.

    Args:
        model: detectron2's meta-architecture: has a ``backbone``, a ``sem_seg_head``, ``pixel_mean`` and ``pixel_std``.
        bgr: Whether it was trained on images in that order.
        decoding: Of its class logits.
    """

    def __init__(self, model: Any, bgr: bool = False, decoding: LogitDecoding = MASK2FORMER) -> None:
        super().__init__()
        self.model = model
        self.bgr = bgr
        self.decoding = decoding

    def forward(self, images: Tensor) -> Queries:
        """Class and mask logits of RGB images (B, 3, H, W) in [0, 1], masks without what pads the images inside."""
        pixels = (images.flip(1) if self.bgr else images) * 255
        height, width = images.shape[-2:]
        multiple = self.model.size_divisibility
        pixels = (pixels - self.model.pixel_mean) / self.model.pixel_std
        pixels = F.pad(pixels, (0, -width % multiple, 0, -height % multiple))
        output = self.model.sem_seg_head(self.model.backbone(pixels))
        output = output[0] if isinstance(output, tuple) else output  # MaskDINO's second is for its losses
        masks = output["pred_masks"]
        if pixels.shape != images.shape:
            masks = F.interpolate(masks, pixels.shape[-2:], mode="bilinear", align_corners=False)
            masks = masks[..., :height, :width]
        return Queries(output["pred_logits"], masks, self.decoding)


class Detectron2Detector(nn.Module):
    """A detector, ViTDet or DINO, behind the project's interface.

    Args:
        model: Takes and returns what detectron2's models do.
        bgr: Whether it was trained on images in that order.
    """

    def __init__(self, model: Any, bgr: bool = False) -> None:
        super().__init__()
        self.model = model
        self.bgr = bgr

    def forward(self, images: Tensor) -> list[dict[str, Tensor]]:
        """``boxes`` (N, 4) xyxy px, ``scores`` (N,), ``labels`` (N,) of each of (B, 3, H, W) RGB images in [0, 1]."""
        height, width = images.shape[-2:]
        pixels = (images.flip(1) if self.bgr else images) * 255
        found = self.model([{"image": image, "height": height, "width": width} for image in pixels])
        return [
            {"boxes": each.pred_boxes.tensor, "scores": each.scores, "labels": each.pred_classes}
            for each in (output["instances"] for output in found)
        ]


class DetrexDetector(Detectron2Detector):
    """A detector of detrex, which keeps its device and the statistics of its pixels where `to` does not find them.

    Args:
        model: See `Detectron2Detector`.
        mean: Of the RGB channels in [0, 255], to subtract ...
        std: ... and to divide by.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: Any, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__(model)
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)
        model.normalizer = nn.Identity()

    def forward(self, images: Tensor) -> list[dict[str, Tensor]]:
        """See `Detectron2Detector`."""
        self.model.__dict__["device"] = images.device
        return super().forward((images - self.mean / 255) / self.std)


def mask2former(config: str, changes: Mapping[str, Any] | None = None) -> MaskQueries:
    """A model by one of Mask2Former's own configurations.

    Args:
        config: Path of a file below the checkout's folder ``configs``.
        changes: What is otherwise, by the dotted names of the configuration.

    Raises:
        UserError: The framework is not there, or the checkout has no such file.
    """
    model, cfg = _configured("mask2former", "add_maskformer2_config", config, changes)
    return MaskQueries(model, bgr=cfg.INPUT.FORMAT == "BGR")


def maskdino(config: str, changes: Mapping[str, Any] | None = None) -> MaskQueries:
    """A model by one of MaskDINO's own configurations; see `mask2former`.

    Raises:
        UserError: The framework is not there, or the checkout has no such file.
    """
    model, cfg = _configured("maskdino", "add_maskdino_config", config, changes)
    test = cfg.MODEL.MaskDINO.TEST
    decoding = LogitDecoding(temperature=test.PANO_TEMPERATURE, score_threshold=test.OBJECT_MASK_THRESHOLD)
    return MaskQueries(model, bgr=cfg.INPUT.FORMAT == "BGR", decoding=decoding)


def mask2former_coco_panoptic() -> nn.Module:
    """Mask2Former with Swin-L, for the 80 things and 53 kinds of stuff of COCO.

    Raises:
        UserError: The framework is not there.
    """
    return mask2former("coco/panoptic-segmentation/swin/maskformer2_swin_large_IN21k_384_bs16_100ep.yaml")


def mask2former_coco_instance() -> nn.Module:
    """Mask2Former with Swin-L, for the 80 things of COCO.

    Raises:
        UserError: The framework is not there.
    """
    return mask2former("coco/instance-segmentation/swin/maskformer2_swin_large_IN21k_384_bs16_100ep.yaml")


def mask2former_ade20k_semantic() -> nn.Module:
    """Mask2Former with Swin-L, for the 150 classes of ADE20K.

    Raises:
        UserError: The framework is not there.
    """
    return mask2former("ade20k/semantic-segmentation/swin/maskformer2_swin_large_IN21k_384_bs16_160k_res640.yaml")


def maskdino_coco_panoptic() -> nn.Module:
    """MaskDINO with Swin-L, five scales, for the 80 things and 53 kinds of stuff of COCO.

    Raises:
        UserError: The framework is not there.
    """
    return maskdino("coco/panoptic-segmentation/swin/maskdino_R50_bs16_50ep_4s_dowsample1_2048.yaml")


def maskdino_coco_instance() -> nn.Module:
    """MaskDINO with Swin-L, five scales, for the 80 things of COCO; its boxes start as those around its first masks.

    Such boxes end behind the last pixel (``bitmask``), where the authors' hourglass computes them to end on it
    (``mask2box``). No weight depends on that.

    Raises:
        UserError: The framework is not there.
    """
    return maskdino("coco/instance-segmentation/swin/maskdino_R50_bs16_50ep_4s_dowsample1_2048.yaml")


def vitdet_large() -> nn.Module:
    """ViTDet with ViT-L/16 and Mask R-CNN's heads, for the 80 things of COCO, as detectron2's project has it.

    Raises:
        UserError: The framework is not there.
    """
    require("detectron2")
    from detectron2 import model_zoo
    from detectron2.config import instantiate

    model = model_zoo.get_config("common/models/mask_rcnn_vitdet.py").model
    net = model.backbone.net
    net.embed_dim, net.depth, net.num_heads, net.drop_path_rate = 1024, 24, 16, 0.4
    net.window_block_indexes = [block for block in range(24) if block % 6 != 5]
    return Detectron2Detector(instantiate(model))


def dino_swin_large() -> nn.Module:
    """DINO with Swin-L, five scales, for the 80 things of COCO, as detrex's project has it.

    Raises:
        UserError: The framework is not there.
    """
    path = _checkout("detrex", "detrex._C") / "projects/dino/configs/dino-swin/dino_swin_large_384_5scale_36ep.py"
    attend_with_torch()
    from detectron2.config import LazyConfig, instantiate

    model = LazyConfig.load(str(_existing(path))).model
    model.device = "cpu"
    return DetrexDetector(instantiate(model), model.pixel_mean, model.pixel_std)


def attend_with_torch() -> None:
    """Let detrex compute deformable attention with its own function for the CPU on every device, if none is compiled.

    On CUDA detrex calls the compiled operator without asking whether there is one.
    """
    from detrex.layers import multi_scale_deform_attn as attention

    operators = sys.modules["detrex._C"]
    if isinstance(operators, NotCompiled):
        operators.__dict__["ms_deform_attn_forward"] = lambda value, shapes, starts, locations, weights, step: (
            attention.multi_scale_deformable_attn_pytorch(value, shapes, locations, weights)
        )


def _configured(backend: str, defaults: str, config: str, changes: Mapping[str, Any] | None) -> tuple[Any, Any]:
    """A model of a checkout, and its whole configuration.

    Args:
        backend: One of `BACKENDS`, named as its package.
        defaults: The package's function that puts its own settings beside detectron2's.
        config: See `mask2former`.
        changes: See `mask2former`.
    """
    path = _checkout(backend, "MultiScaleDeformableAttention") / "configs" / config
    from detectron2.config import get_cfg
    from detectron2.modeling import build_model
    from detectron2.projects.deeplab import add_deeplab_config

    cfg = get_cfg()
    add_deeplab_config(cfg)
    getattr(sys.modules[backend], defaults)(cfg)
    cfg.merge_from_file(str(_existing(path)))
    cfg.MODEL.DEVICE = "cpu"
    cfg.merge_from_list([item for pair in (changes or {}).items() for item in pair])
    with redirect_stdout(StringIO()):  # MaskDINO prints the weights of its losses
        return build_model(cfg), cfg


def _checkout(backend: str, operators: str) -> Path:
    """Import a checkout's package; where the checkout is.

    Checkouts have copied data sets and backbones from each other, and the names they register them by, which detectron2
    takes once only. Here the copy that comes last has the name.

    Args:
        backend: One of `BACKENDS`, named as its package.
        operators: Module of its compiled operators.
    """
    require("detectron2")
    from detectron2.data import DatasetCatalog
    from detectron2.modeling import BACKBONE_REGISTRY

    stand_in(operators)
    registry, catalog = type(BACKBONE_REGISTRY), type(DatasetCatalog)
    strict = registry._do_register, catalog.register
    registry._do_register = lambda self, name, item: self._obj_map.update({name: item})
    catalog.register = UserDict.__setitem__
    try:
        require(backend)
    finally:
        registry._do_register, catalog.register = strict
    return Path(str(sys.modules[backend].__file__)).parents[1]


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise UserError(f"{path}: the framework's configuration is missing; put its whole checkout on PYTHONPATH")
    return path
