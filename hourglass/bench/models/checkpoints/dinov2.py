"""DINOv2's keys as transformers has them, in a model with a head for saliency that was exported to ONNX."""

from __future__ import annotations

from hourglass.bench.models.checkpoints.renaming import DROPPED, Table, joined, uncounted

_PUBLISHED, _OURS = "backbone.encoder.layer.{block}", "encoder.blocks.{block}"
_QKV = {
    f"{_PUBLISHED}.attention.attention.{name}.{{rest}}": joined(f"{_OURS}.attn.qkv.{{rest}}", part)
    for part, name in enumerate(("query", "key", "value"))
}
_ENCODER: Table = {
    "backbone.embeddings.cls_token": "encoder.cls_token",
    # The exporter split the positions into that of the class token and those of the patches.
    "backbone.embeddings.Concat_6": joined("encoder.pos_embed", 0, axis=1),
    "backbone.embeddings.Reshape_1": joined("encoder.pos_embed", 1, axis=1),
    "backbone.embeddings.patch_embeddings.projection.{rest}": "encoder.patch_embed.proj.{rest}",
    **_QKV,
    f"{_PUBLISHED}.attention.output.dense.{{rest}}": f"{_OURS}.attn.proj.{{rest}}",
    f"{_PUBLISHED}.layer_scale1.lambda1": f"{_OURS}.ls1.gamma",
    f"{_PUBLISHED}.layer_scale2.lambda1": f"{_OURS}.ls2.gamma",
    f"{_PUBLISHED}.{{rest}}": f"{_OURS}.{{rest}}",  # norms and MLP
    "backbone.layernorm.{rest}": "encoder.norm.{rest}",
}

ENCODER: Table = {**_ENCODER, "decoder.{rest}": DROPPED}
"""The encoder alone."""
SALIENCY: Table = {
    **_ENCODER,
    "decoder.bn{number}.running_var": uncounted("decoder.bn{number}"),
    "decoder.{rest}": "decoder.{rest}",
}
"""With the head."""
