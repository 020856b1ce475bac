"""Who watches the clustering sees it as it is, in plain and in windowed encoders."""

from __future__ import annotations

import torch
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer

import hourglass
from hourglass.acceleration.clustering import watched


@torch.inference_mode()
def test_labels_of_a_plain_encoder_are_blobs_on_its_grid():
    torch.manual_seed(0)
    vit = VisionTransformer(img_size=64, patch_size=8, embed_dim=16, depth=2, num_heads=2, num_classes=0)
    hourglass.apply(vit.eval(), hourglass.Plan(start=1, clusters=(4, 4), form="published"))
    with watched() as seen:
        vit(torch.rand(2, 3, 64, 64))
    vit(torch.rand(1, 3, 64, 64))
    assert len(seen) == 1
    labels = seen[0].labels()
    assert labels.shape == (8, 8)
    assert labels.min() >= 0
    assert labels.max() < 16


@torch.inference_mode()
def test_labels_of_windows_lie_in_their_window_and_padding_is_left_out():
    swin = SwinTransformer(
        img_size=40,
        patch_size=4,
        embed_dim=8,
        depths=(2,),
        num_heads=(1,),
        window_size=4,
        num_classes=0,
        strict_img_size=False,
    )
    hourglass.apply(swin.eval(), hourglass.Plan(start=1, clusters=(2, 2), form="published"))
    with watched() as seen:
        swin(torch.rand(1, 3, 40, 40))
    labels = seen[0].labels()
    assert labels.shape == (10, 10)
    window = torch.arange(10) // 4
    assert torch.equal(labels // 4, 3 * window[:, None] + window)
