"""Small random models of transformers, saved as the hub has them."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    DetrImageProcessor,
    DPTConfig,
    DPTForDepthEstimation,
    DPTForSemanticSegmentation,
    DPTImageProcessor,
    Mask2FormerConfig,
    Mask2FormerForUniversalSegmentation,
    Mask2FormerImageProcessor,
    SwinConfig,
    YolosConfig,
    YolosForObjectDetection,
)

VIT = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 16}


def named(labels: list[str]) -> dict[str, dict]:
    return {"id2label": dict(enumerate(labels)), "label2id": {name: label for label, name in enumerate(labels)}}


def save(kind: str, folder: Path, labels: list[str]) -> Path:
    """A model that does ``semantic``, ``depth``, ``universal`` or ``detection``."""
    torch.manual_seed(0)
    model, processor = KINDS[kind](labels)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _dpt(kind, labels):
    config = DPTConfig(
        **VIT, image_size=64, patch_size=8, backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=16, use_auxiliary_head=False, **named(labels),
    )  # fmt: skip
    return kind(config), DPTImageProcessor(size={"height": 64, "width": 64})


def _universal(labels):
    swin = SwinConfig(
        image_size=64, embed_dim=8, depths=[1, 1, 2, 1], num_heads=[1, 1, 2, 2], window_size=4,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = Mask2FormerConfig(
        backbone_config=swin, feature_size=32, mask_feature_size=32, hidden_dim=32, encoder_feedforward_dim=16,
        dim_feedforward=16, encoder_layers=1, decoder_layers=2, num_attention_heads=2, num_queries=7, **named(labels),
    )  # fmt: skip
    processor = Mask2FormerImageProcessor(
        size={"shortest_edge": 40, "longest_edge": 60}, size_divisor=4, pad_size={"height": 64, "width": 64}
    )
    return Mask2FormerForUniversalSegmentation(config), processor


def _detection(labels):
    config = YolosConfig(**VIT, image_size=[64, 64], patch_size=8, num_detection_tokens=9, **named(labels))
    return YolosForObjectDetection(config), DetrImageProcessor(size={"height": 64, "width": 64})


KINDS = {
    "semantic": lambda labels: _dpt(DPTForSemanticSegmentation, labels),
    "depth": lambda labels: _dpt(DPTForDepthEstimation, labels),
    "universal": _universal,
    "detection": _detection,
}
