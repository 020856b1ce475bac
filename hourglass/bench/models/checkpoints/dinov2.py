"""DINOv2's keys as transformers has them, in a model with a head for saliency that was exported to ONNX."""

from __future__ import annotations

from hourglass.bench.models.checkpoints.renaming import DROPPED, Table, joined, uncounted


def _encoder(ours: str) -> Table:
    """The encoder's keys.

    Args:
        ours: Where the encoder is in a model of this project.
    """
    published, block = "backbone.encoder.layer.{block}", f"{ours}.blocks.{{block}}"
    queries_keys_values = {
        f"{published}.attention.attention.{name}.{{rest}}": joined(f"{block}.attn.qkv.{{rest}}", part)
        for part, name in enumerate(("query", "key", "value"))
    }
    return {
        "backbone.embeddings.cls_token": f"{ours}.cls_token",
        # The exporter split the positions into that of the class token and those of the patches.
        "backbone.embeddings.Concat_6": joined(f"{ours}.pos_embed", 0, axis=1),
        "backbone.embeddings.Reshape_1": joined(f"{ours}.pos_embed", 1, axis=1),
        "backbone.embeddings.patch_embeddings.projection.{rest}": f"{ours}.patch_embed.proj.{{rest}}",
        **queries_keys_values,
        f"{published}.attention.output.dense.{{rest}}": f"{block}.attn.proj.{{rest}}",
        f"{published}.layer_scale1.lambda1": f"{block}.ls1.gamma",
        f"{published}.layer_scale2.lambda1": f"{block}.ls2.gamma",
        f"{published}.{{rest}}": f"{block}.{{rest}}",  # norms and MLP
        "backbone.layernorm.{rest}": f"{ours}.norm.{{rest}}",
    }


ENCODER: Table = {**_encoder("encoder"), "decoder.{rest}": DROPPED}
"""The encoder alone."""
PYRAMID: Table = {**_encoder("fcos.backbone.tokens.encoder"), "decoder.{rest}": DROPPED}
"""The encoder alone, below the pyramid of a detector."""
SALIENCY: Table = {
    **_encoder("encoder"),
    "decoder.bn{number}.running_var": uncounted("decoder.bn{number}"),
    "decoder.{rest}": "decoder.{rest}",
}
"""With the head."""
