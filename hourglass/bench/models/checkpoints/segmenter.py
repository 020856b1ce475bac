"""Segmenter's published keys: those of the original repository, and those of mmsegmentation."""

from __future__ import annotations

from hourglass.bench.models.checkpoints.renaming import DROPPED, Table, transposed, unbiased

OFFICIAL: Table = {
    "encoder.head.{rest}": DROPPED,  # of the classification it was trained for first
    "encoder.{rest}": "encoder.{rest}",
    "decoder.cls_emb": "decoder.class_tokens",
    "decoder.proj_dec.{rest}": "decoder.project_in.{rest}",
    "decoder.proj_patch": "decoder.project_tokens",
    "decoder.proj_classes": "decoder.project_classes",
    "decoder.decoder_norm.{rest}": "decoder.norm.{rest}",
    "decoder.mask_norm.{rest}": "decoder.norm_scores.{rest}",
    "decoder.blocks.{rest}": "decoder.blocks.{rest}",
}
"""github.com/rstrudel/segmenter, segm/model; its blocks are timm's."""

_BLOCK = {
    "ln1.{rest}": "norm1.{rest}",
    "ln2.{rest}": "norm2.{rest}",
    "attn.attn.in_proj_{rest}": "attn.qkv.{rest}",
    "attn.attn.out_proj.{rest}": "attn.proj.{rest}",
    "ffn.layers.0.0.{rest}": "mlp.fc1.{rest}",
    "ffn.layers.1.{rest}": "mlp.fc2.{rest}",
}

MMSEG: Table = {
    "backbone.cls_token": "encoder.cls_token",
    "backbone.pos_embed": "encoder.pos_embed",
    "backbone.patch_embed.projection.weight": unbiased(
        "encoder.patch_embed.proj.weight", "encoder.patch_embed.proj.bias"
    ),
    "backbone.patch_embed.projection.bias": "encoder.patch_embed.proj.bias",
    "backbone.ln1.{rest}": "encoder.norm.{rest}",
    "decode_head.cls_emb": "decoder.class_tokens",
    "decode_head.dec_proj.{rest}": "decoder.project_in.{rest}",
    "decode_head.patch_proj.weight": transposed("decoder.project_tokens"),
    "decode_head.classes_proj.weight": transposed("decoder.project_classes"),
    "decode_head.decoder_norm.{rest}": "decoder.norm.{rest}",
    "decode_head.mask_norm.{rest}": "decoder.norm_scores.{rest}",
    **{f"backbone.layers.{{block}}.{old}": f"encoder.blocks.{{block}}.{new}" for old, new in _BLOCK.items()},
    **{f"decode_head.layers.{{block}}.{old}": f"decoder.blocks.{{block}}.{new}" for old, new in _BLOCK.items()},
}
"""mmsegmentation, `VisionTransformer` and `SegmenterMaskTransformerHead`; 1.2.2 has patches without a bias."""
