"""DPT-Hybrid's published keys: those of the original repository."""

from __future__ import annotations

from hourglass.bench.models.checkpoints.renaming import DROPPED, Table, parts

_RESNET = "dpt.dpt.embeddings.backbone.bit"
_BLOCK = "dpt.dpt.encoder.layer.{block}"
_ATTENTION = f"{_BLOCK}.attention.attention"
_REASSEMBLE = "dpt.neck.reassemble_stage"
_FUSION = {
    "out_conv.{rest}": "projection.{rest}",
    "resConfUnit1.conv1.{rest}": "residual_layer1.convolution1.{rest}",
    "resConfUnit1.conv2.{rest}": "residual_layer1.convolution2.{rest}",
    "resConfUnit2.conv1.{rest}": "residual_layer2.convolution1.{rest}",
    "resConfUnit2.conv2.{rest}": "residual_layer2.convolution2.{rest}",
}

ORIGINAL: Table = {
    "pretrained.model.head.{rest}": DROPPED,  # of the classification it was trained for first
    "pretrained.model.cls_token": "dpt.dpt.embeddings.cls_token",
    "pretrained.model.pos_embed": "dpt.dpt.embeddings.position_embeddings",
    "pretrained.model.patch_embed.proj.{rest}": "dpt.dpt.embeddings.projection.{rest}",
    "pretrained.model.patch_embed.backbone.stem.conv.{rest}": f"{_RESNET}.embedder.convolution.{{rest}}",
    "pretrained.model.patch_embed.backbone.stem.norm.{rest}": f"{_RESNET}.embedder.norm.{{rest}}",
    "pretrained.model.patch_embed.backbone.stages.{stage}.blocks.{rest}": (
        f"{_RESNET}.encoder.stages.{{stage}}.layers.{{rest}}"
    ),
    "pretrained.model.blocks.{block}.norm1.{rest}": f"{_BLOCK}.layernorm_before.{{rest}}",
    "pretrained.model.blocks.{block}.norm2.{rest}": f"{_BLOCK}.layernorm_after.{{rest}}",
    "pretrained.model.blocks.{block}.attn.qkv.{rest}": parts(
        f"{_ATTENTION}.query.{{rest}}", f"{_ATTENTION}.key.{{rest}}", f"{_ATTENTION}.value.{{rest}}"
    ),
    "pretrained.model.blocks.{block}.attn.proj.{rest}": f"{_BLOCK}.attention.output.dense.{{rest}}",
    "pretrained.model.blocks.{block}.mlp.fc1.{rest}": f"{_BLOCK}.intermediate.dense.{{rest}}",
    "pretrained.model.blocks.{block}.mlp.fc2.{rest}": f"{_BLOCK}.output.dense.{{rest}}",
    "pretrained.model.norm.{rest}": "dpt.dpt.layernorm.{rest}",
    "pretrained.act_postprocess3.0.project.{rest}": f"{_REASSEMBLE}.readout_projects.2.{{rest}}",
    "pretrained.act_postprocess3.3.{rest}": f"{_REASSEMBLE}.layers.2.projection.{{rest}}",
    "pretrained.act_postprocess4.0.project.{rest}": f"{_REASSEMBLE}.readout_projects.3.{{rest}}",
    "pretrained.act_postprocess4.3.{rest}": f"{_REASSEMBLE}.layers.3.projection.{{rest}}",
    "pretrained.act_postprocess4.4.{rest}": f"{_REASSEMBLE}.layers.3.resize.{{rest}}",
    **{f"scratch.layer{i + 1}_rn.{{rest}}": f"dpt.neck.convs.{i}.{{rest}}" for i in range(4)},
    # transformers counts the fusion from the coarsest map on.
    **{
        f"scratch.refinenet{4 - i}.{old}": f"dpt.neck.fusion_stage.layers.{i}.{new}"
        for i in range(4)
        for old, new in _FUSION.items()
    },
    "scratch.output_conv.{rest}": "dpt.head.head.{rest}",
}
"""github.com/isl-org/DPT, dpt/, with timm 0.4's hybrid ViT."""
