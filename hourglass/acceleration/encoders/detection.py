"""Detectors of transformers on plain vision transformers: YOLOS, and the backbones of RF-DETR and LW-DETR."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from hourglass.acceleration.encoders.transformers import bare_stages, classes, normed_stages, stages
from hourglass.acceleration.hourglass import Args, Hourglass
from hourglass.acceleration.layouts import SEQUENCE, Others
from hourglass.acceleration.patch import watched
from hourglass.acceleration.spec import EncoderSpec, no_others
from hourglass.acceleration.windows import Grid


def _positions_between(hourglass: Hourglass, root: Any) -> None:
    """YOLOS adds positions to its tokens between blocks: for clusters, the mean of those in their pooling cells."""
    if root.encoder.interpolation is not None:
        hourglass.after(root.encoder.interpolation, partial(_pool, hourglass))


def _pool(hourglass: Hourglass, interpolation: nn.Module, args: Args, output: Tensor) -> list[Tensor]:
    """From (blocks - 1, 1, tokens, C) to a list of (1, tokens, C), those from the first deep block on for clusters."""
    grid, others = hourglass.slot.grid, _with_detections(hourglass.encoder)
    if grid is None:
        return list(output)
    whole = SEQUENCE.grid(output[:, 0], others, grid).permute(0, 3, 1, 2)
    few = F.adaptive_avg_pool2d(whole, hourglass.plan.clusters).permute(0, 2, 3, 1)
    small = SEQUENCE.laid_out(few, output[:, 0], others)[:, None]
    first, deep = hourglass.plan.start, hourglass.deep_blocks()
    # A block that a user's hook looks at hands out all tokens; the next one says that they were changed.
    below = [
        all_ if watched(block) else few for all_, few, block in zip(output[first:], small[first:], deep, strict=False)
    ]
    return [*output[:first], *below]


def _with_detections(root: Any) -> Others:
    return 1, root.embeddings.detection_tokens.shape[1]


# Both cut the image into windows that stay apart in the batch, with a class token each in RF-DETR; some blocks attend
# to all windows of an image. So each window is clustered, and the clusters of a plan are those of a window.


def _rf_detr_grid(root: Any, args: Args, patches: Tensor) -> Grid:
    windows = root.config.num_windows
    return int(patches.shape[-2]) // windows, int(patches.shape[-1]) // windows


def _lw_detr_grid(root: Any, args: Args, patches: Tensor) -> Grid:
    windows = root.config.num_windows_side
    return int(patches.shape[-2]) // windows, int(patches.shape[-1]) // windows


_backbone = partial(EncoderSpec, records=True, taps_alone=True)

SPECS = (
    EncoderSpec(
        classes("yolos", "YolosModel"),
        use="detection: YOLOS",
        records=True,
        others=_with_detections,
        also=_positions_between,
    ),
    _backbone(
        classes("rf_detr", "RfDetrDinov2Backbone"),
        use="detection and segmentation: RF-DETR",
        clustered="each of its windows",
        image_grid=_rf_detr_grid,
        takes_masks=False,
        taps=bare_stages,
        normed_taps=normed_stages,
    ),
    _backbone(
        classes("lw_detr", "LwDetrViTBackbone"),
        use="detection: LW-DETR",
        clustered="each of its windows",
        image_grid=_lw_detr_grid,
        others=no_others,
        taps=stages,
    ),
)
