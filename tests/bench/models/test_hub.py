"""Checkpoints of the hub, here as folders with small random models, speak the project's language."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    DPTConfig,
    DPTForDepthEstimation,
    DPTImageProcessor,
    SegformerConfig,
    SegformerForSemanticSegmentation,
    SegformerImageProcessor,
)

from hourglass.bench.models import hub
from hourglass.registry import UserError

IMAGES = torch.rand(1, 3, 48, 64)


@torch.inference_mode()
def test_semantic_segmentation(tmp_path):
    config = SegformerConfig(hidden_sizes=[8, 8, 8, 8], depths=[1] * 4, num_labels=3, decoder_hidden_size=8)
    SegformerForSemanticSegmentation(config).save_pretrained(tmp_path)
    SegformerImageProcessor(size={"height": 64, "width": 64}).save_pretrained(tmp_path)
    loaded = hub.load(str(tmp_path), "semantic-segmentation")
    assert loaded.model(IMAGES).shape == (1, 3, 48, 64)
    assert [category.name for category in loaded.categories] == ["LABEL_0", "LABEL_1", "LABEL_2"]


@torch.inference_mode()
def test_depth_estimation(tmp_path):
    config = DPTConfig(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=32,
        patch_size=8,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=16,
    )
    DPTForDepthEstimation(config).save_pretrained(tmp_path)
    DPTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    assert hub.load(str(tmp_path), "depth-estimation").model(IMAGES).shape == (1, 48, 64)


def test_what_is_no_checkpoint_is_said_in_one_line(tmp_path):
    with pytest.raises(UserError, match=r"^model: '.*' cannot be loaded for depth-estimation: [^\n]+$"):
        hub.load(str(tmp_path), "depth-estimation")
