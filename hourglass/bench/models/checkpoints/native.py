"""Published keys for models that run in the framework they come from: the same names, within the backend's module."""

from __future__ import annotations

from hourglass.bench.models.checkpoints.renaming import DROPPED, Table, unbiased

_PATCHES = "model.backbone.patch_embed.projection"
_PARTS = (
    "backbone", "decode_head", "criterion", "proposal_generator", "roi_heads",
    "neck", "transformer", "class_embed", "bbox_embed", "label_enc",
)  # fmt: skip

NATIVE: Table = {
    "pixel_mean": DROPPED,
    "pixel_std": DROPPED,
    "backbone.patch_embed.projection.weight": unbiased(f"{_PATCHES}.weight", f"{_PATCHES}.bias"),
    # As Mask2Former's own code reads its older files.
    "sem_seg_head.predictor.static_query.{rest}": "model.sem_seg_head.predictor.query_feat.{rest}",
    "sem_seg_head.predictor.{rest}": "model.sem_seg_head.predictor.{rest}",
    "sem_seg_head.pixel_decoder.{rest}": "model.sem_seg_head.pixel_decoder.{rest}",
    "sem_seg_head.{rest}": "model.sem_seg_head.pixel_decoder.{rest}",
    **{f"{part}.{{rest}}": f"model.{part}.{{rest}}" for part in _PARTS},
}
"""mmsegmentation, whose release 1.2.2 has patches without a bias; detectron2, Mask2Former, MaskDINO and detrex."""
