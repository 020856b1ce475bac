"""Small models of each family, and weights for them in the published key layouts.

A golden file holds, for one layout, the keys and shapes of the original's models - a small one, and full-size ones -
and sampled outputs of the small one. Weights and images are no part of it: they follow from names and seeds.
"""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
from torch import nn
from transformers import BitConfig, DPTConfig, Mask2FormerConfig, SwinConfig

from hourglass.bench.models.depth import DepthEstimator
from hourglass.bench.models.mask2former import MaskSegmenter
from hourglass.bench.models.segmenter import Encoder, MaskTransformer, Segmenter

GOLDEN = Path(__file__).parent / "golden"
CLASSES = 5


def segmenter(classes: int = CLASSES, **options) -> nn.Module:
    return Segmenter(Encoder(64, 16, 128, 2, 2, **options), MaskTransformer(classes, 128, 128, 2, 2, norm_eps=1e-5))


def dpt() -> nn.Module:
    backbone = BitConfig(
        layer_type="bottleneck",
        depths=[1, 1, 1],
        hidden_sizes=[128, 256, 512],
        embedding_size=32,
        out_features=["stage1", "stage2", "stage3"],
        global_padding="same",
        embedding_dynamic_padding=True,
    )
    config = DPTConfig(
        is_hybrid=True,
        backbone_config=backbone,
        backbone_featmap_shape=[1, 512, 4, 4],
        image_size=64,
        hidden_size=64,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=256,
        backbone_out_indices=[0, 1, 2, 3],
        neck_ignore_stages=[0, 1],
        reassemble_factors=[1, 1, 1, 0.5],
        neck_hidden_sizes=[128, 256, 48, 48],
        fusion_hidden_size=32,
        readout_type="project",
        layer_norm_eps=1e-6,
        use_auxiliary_head=False,
    )
    return DepthEstimator(config, scale=0.3, shift=0.1)


def mask2former(classes: int = CLASSES) -> nn.Module:
    swin = SwinConfig(
        image_size=64,
        embed_dim=16,
        depths=[1, 1, 2, 1],
        num_heads=[1, 2, 2, 4],
        window_size=4,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    config = Mask2FormerConfig(
        backbone_config=swin,
        feature_size=64,
        mask_feature_size=64,
        hidden_dim=64,
        dim_feedforward=128,
        encoder_layers=1,
        decoder_layers=3,
        num_attention_heads=8,
        num_queries=7,
        num_labels=classes,
    )
    return MaskSegmenter(config)


MODELS = {
    "segmenter-official": segmenter,
    "segmenter-mmseg": lambda: segmenter(norm_eps=1e-6, interpolation="bicubic"),
    "dpt-original": dpt,
    "mask2former-detectron2": mask2former,
    "mask2former-transformers": mask2former,
}


def golden(layout):
    return json.loads((GOLDEN / f"{layout}.json").read_text())


def shapes(patterns):
    """Every key and its shape, of those that a golden file writes with ranges: ``blocks.[0-23].norm1.weight``."""

    def expanded():
        for pattern, shape in patterns.items():
            ranges = [range(int(low), int(high) + 1) for low, high in re.findall(r"\[(\d+)-(\d+)\]", pattern)]
            for numbers in itertools.product(*ranges):
                wanted = map(str, numbers)
                yield re.sub(r"\[\d+-\d+\]", lambda _, wanted=wanted: next(wanted), pattern), tuple(shape)

    return dict(expanded())


def state(layout, classes=CLASSES):
    """Weights of the small model in a layout; with five classes, those that the original was given too."""
    sizes = {CLASSES: classes, CLASSES + 1: classes + 1}  # no other axis of the small models is as long
    keys = shapes(golden(layout)["small"])
    return {key: _weight(key, tuple(sizes.get(size, size) for size in shape)) for key, shape in keys.items()}


def _weight(key, shape):
    values = np.random.RandomState(crc32(key.encode())).standard_normal(shape)
    if len(shape) == 3:
        values = values / 2
    elif len(shape) > 1:
        values = values / np.prod(shape[1:]) ** 0.5
    else:
        values = values / 10 + key.endswith("weight")
    return torch.from_numpy(values).float()
