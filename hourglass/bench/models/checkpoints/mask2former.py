"""Mask2Former's published keys on Swin: those of the original repository, and those of the Hugging Face hub."""

from __future__ import annotations

from hourglass.bench.models.checkpoints.renaming import DROPPED, Table, copies, parts

_MODEL = "mask2former.model"
_BACKBONE, _PIXELS = f"{_MODEL}.pixel_level_module.encoder", f"{_MODEL}.pixel_level_module.decoder"
_DECODER = f"{_MODEL}.transformer_module.decoder"
_BLOCK = f"{_BACKBONE}.swin.encoder.layers.{{stage}}.blocks.{{block}}"
_LAYER = f"{_DECODER}.layers.{{layer}}"
_QKV = ("q_proj", "k_proj", "v_proj")
_LAST_NORMS = (f"{_BACKBONE}.hidden_states_norms.stage4.{{rest}}", f"{_BACKBONE}.swin.layernorm.{{rest}}")
"""transformers has two after the last stage, of which nothing reads the second."""

_PIXEL_DECODER: Table = {
    "input_proj.{rest}": f"{_PIXELS}.input_projections.{{rest}}",
    "transformer.level_embed": f"{_PIXELS}.level_embed",
    "transformer.encoder.layers.{layer}.self_attn.{rest}": f"{_PIXELS}.encoder.layers.{{layer}}.self_attn.{{rest}}",
    "transformer.encoder.layers.{layer}.norm1.{rest}": (
        f"{_PIXELS}.encoder.layers.{{layer}}.self_attn_layer_norm.{{rest}}"
    ),
    "transformer.encoder.layers.{layer}.norm2.{rest}": f"{_PIXELS}.encoder.layers.{{layer}}.final_layer_norm.{{rest}}",
    "transformer.encoder.layers.{layer}.linear1.{rest}": f"{_PIXELS}.encoder.layers.{{layer}}.fc1.{{rest}}",
    "transformer.encoder.layers.{layer}.linear2.{rest}": f"{_PIXELS}.encoder.layers.{{layer}}.fc2.{{rest}}",
    "mask_features.{rest}": f"{_PIXELS}.mask_projection.{{rest}}",
    "adapter_1.norm.{rest}": f"{_PIXELS}.adapter_1.1.{{rest}}",
    "adapter_1.{rest}": f"{_PIXELS}.adapter_1.0.{{rest}}",
    "layer_1.norm.{rest}": f"{_PIXELS}.layer_1.1.{{rest}}",
    "layer_1.{rest}": f"{_PIXELS}.layer_1.0.{{rest}}",
}
_PREDICTOR: Table = {
    "transformer_self_attention_layers.{layer}.self_attn.in_proj_{rest}": parts(
        *(f"{_LAYER}.self_attn.{projection}.{{rest}}" for projection in _QKV)
    ),
    "transformer_self_attention_layers.{layer}.self_attn.out_proj.{rest}": f"{_LAYER}.self_attn.out_proj.{{rest}}",
    "transformer_self_attention_layers.{layer}.norm.{rest}": f"{_LAYER}.self_attn_layer_norm.{{rest}}",
    "transformer_cross_attention_layers.{layer}.multihead_attn.{rest}": f"{_LAYER}.cross_attn.{{rest}}",
    "transformer_cross_attention_layers.{layer}.norm.{rest}": f"{_LAYER}.cross_attn_layer_norm.{{rest}}",
    "transformer_ffn_layers.{layer}.linear1.{rest}": f"{_LAYER}.fc1.{{rest}}",
    "transformer_ffn_layers.{layer}.linear2.{rest}": f"{_LAYER}.fc2.{{rest}}",
    "transformer_ffn_layers.{layer}.norm.{rest}": f"{_LAYER}.final_layer_norm.{{rest}}",
    "decoder_norm.{rest}": f"{_DECODER}.layernorm.{{rest}}",
    "query_feat.{rest}": f"{_MODEL}.transformer_module.queries_features.{{rest}}",
    "static_query.{rest}": f"{_MODEL}.transformer_module.queries_features.{{rest}}",  # its name in older files
    "query_embed.{rest}": f"{_MODEL}.transformer_module.queries_embedder.{{rest}}",
    "level_embed.{rest}": f"{_MODEL}.transformer_module.level_embed.{{rest}}",
    "mask_embed.layers.{layer}.{rest}": f"{_DECODER}.mask_predictor.mask_embedder.{{layer}}.0.{{rest}}",
    "class_embed.{rest}": "mask2former.class_predictor.{rest}",
}

DETECTRON2: Table = {
    "pixel_mean": DROPPED,
    "pixel_std": DROPPED,
    "backbone.patch_embed.proj.{rest}": f"{_BACKBONE}.swin.embeddings.patch_embeddings.projection.{{rest}}",
    "backbone.patch_embed.norm.{rest}": f"{_BACKBONE}.swin.embeddings.norm.{{rest}}",
    "backbone.layers.{stage}.downsample.{rest}": f"{_BACKBONE}.swin.encoder.layers.{{stage}}.downsample.{{rest}}",
    "backbone.layers.{stage}.blocks.{block}.norm1.{rest}": f"{_BLOCK}.layernorm_before.{{rest}}",
    "backbone.layers.{stage}.blocks.{block}.norm2.{rest}": f"{_BLOCK}.layernorm_after.{{rest}}",
    "backbone.layers.{stage}.blocks.{block}.attn.qkv.{rest}": parts(
        *(f"{_BLOCK}.attention.{projection}.{{rest}}" for projection in _QKV)
    ),
    "backbone.layers.{stage}.blocks.{block}.attn.proj.{rest}": f"{_BLOCK}.attention.o_proj.{{rest}}",
    "backbone.layers.{stage}.blocks.{block}.attn.relative_position_bias_table": (
        f"{_BLOCK}.attention.relative_position_bias.relative_position_bias_table"
    ),
    "backbone.layers.{stage}.blocks.{block}.attn.relative_position_index": DROPPED,  # follows from the window
    "backbone.layers.{stage}.blocks.{block}.mlp.{rest}": f"{_BLOCK}.mlp.{{rest}}",
    **{f"backbone.norm{i}.{{rest}}": f"{_BACKBONE}.hidden_states_norms.stage{i + 1}.{{rest}}" for i in range(3)},
    "backbone.norm3.{rest}": copies(*_LAST_NORMS),
    **{f"sem_seg_head.predictor.{old}": new for old, new in _PREDICTOR.items()},
    # Older files name the pixel decoder without saying what it is.
    **{
        f"sem_seg_head.{decoder}{old}": new for decoder in ("pixel_decoder.", "") for old, new in _PIXEL_DECODER.items()
    },
    "criterion.empty_weight": "mask2former.criterion.empty_weight",
}
"""github.com/facebookresearch/Mask2Former on detectron2, with Swin and the deformable pixel decoder."""

_HUB = "model.pixel_level_module.encoder"
_HUB_BLOCK = f"{_HUB}.encoder.layers.{{stage}}.blocks.{{block}}"

TRANSFORMERS: Table = {
    f"{_HUB}.embeddings.{{rest}}": f"{_BACKBONE}.swin.embeddings.{{rest}}",
    f"{_HUB}.encoder.layers.{{stage}}.downsample.{{rest}}": (
        f"{_BACKBONE}.swin.encoder.layers.{{stage}}.downsample.{{rest}}"
    ),
    f"{_HUB_BLOCK}.layernorm_before.{{rest}}": f"{_BLOCK}.layernorm_before.{{rest}}",
    f"{_HUB_BLOCK}.layernorm_after.{{rest}}": f"{_BLOCK}.layernorm_after.{{rest}}",
    f"{_HUB_BLOCK}.attention.self.query.{{rest}}": f"{_BLOCK}.attention.q_proj.{{rest}}",
    f"{_HUB_BLOCK}.attention.self.key.{{rest}}": f"{_BLOCK}.attention.k_proj.{{rest}}",
    f"{_HUB_BLOCK}.attention.self.value.{{rest}}": f"{_BLOCK}.attention.v_proj.{{rest}}",
    f"{_HUB_BLOCK}.attention.self.relative_position_bias_table": (
        f"{_BLOCK}.attention.relative_position_bias.relative_position_bias_table"
    ),
    f"{_HUB_BLOCK}.attention.self.relative_position_index": DROPPED,
    f"{_HUB_BLOCK}.attention.output.dense.{{rest}}": f"{_BLOCK}.attention.o_proj.{{rest}}",
    f"{_HUB_BLOCK}.intermediate.dense.{{rest}}": f"{_BLOCK}.mlp.fc1.{{rest}}",
    f"{_HUB_BLOCK}.output.dense.{{rest}}": f"{_BLOCK}.mlp.fc2.{{rest}}",
    f"{_HUB}.hidden_states_norms.stage4.{{rest}}": copies(*_LAST_NORMS),
    f"{_HUB}.hidden_states_norms.{{rest}}": f"{_BACKBONE}.hidden_states_norms.{{rest}}",
    f"{_HUB}.swin.layernorm.{{rest}}": DROPPED,
    "model.pixel_level_module.decoder.{rest}": f"{_PIXELS}.{{rest}}",
    "model.transformer_module.{rest}": f"{_MODEL}.transformer_module.{{rest}}",
    "class_predictor.{rest}": "mask2former.class_predictor.{rest}",
    "criterion.empty_weight": "mask2former.criterion.empty_weight",
}
"""The Hugging Face hub's files, facebook/mask2former-swin-*; transformers has given its Swin other names since."""
