"""Every data set of the paper is evaluated by its protocol, with small models of the paper's kinds, from miniatures."""

from __future__ import annotations

import math

import pytest
import torch
from PIL import Image
from timm.models.vision_transformer import VisionTransformer
from transformers import DPTConfig, Mask2FormerConfig, SwinConfig

from hourglass.bench import datasets, downloads, tasks
from hourglass.bench.measuring import Runner, measure_accuracy
from hourglass.bench.models.depth import DepthEstimator
from hourglass.bench.models.inference import ShortSide, SlidingWindow, whole
from hourglass.bench.models.mask2former import MaskSegmenter
from hourglass.bench.models.segmenter import MaskTransformer, Segmenter

from ..datasets import miniatures

WINDOWS, SIDES = SlidingWindow(short=48, long=192, crop=32, stride=24), ShortSide(64, 96)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("miniatures")
    archives = miniatures.build(folder / "archives")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("HOURGLASS_DATA", raising=False)
        patch.setattr(downloads, "names", lambda: list(archives))
        patch.setattr(downloads, "fetch", lambda artifact, root: archives[artifact])
        for name, count in miniatures.COUNTS.items():
            patch.setattr(datasets.DATASETS.get(name), "images", count)
            datasets.prepare(name, root=folder)
    return folder


def segmenter(classes):
    vit = VisionTransformer(
        img_size=32, embed_dim=24, depth=1, num_heads=2, num_classes=0, global_pool="", dynamic_img_size=True
    )
    return Segmenter(vit, MaskTransformer(classes, 24, 24, depth=1, heads=2))


def dpt():
    config = DPTConfig(
        hidden_size=24,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=24,
        image_size=64,
        patch_size=32,
        backbone_out_indices=[0, 1, 2, 3],
        reassemble_factors=[2, 1, 1, 0.5],
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
    )
    return DepthEstimator(config, scale=0.01, shift=0.1)


def mask2former(classes):
    swin = SwinConfig(
        image_size=64,
        embed_dim=16,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 1, 1],
        window_size=4,
        out_features=[f"stage{stage}" for stage in range(1, 5)],
    )
    config = Mask2FormerConfig(
        backbone_config=swin,
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=32,
        dim_feedforward=32,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        num_queries=4,
        num_labels=classes,
    )
    return MaskSegmenter(config)


@pytest.mark.parametrize(
    ("task", "dataset", "build", "inference", "metric"),
    [
        ("semantic-segmentation", "ade20k", lambda: segmenter(150), WINDOWS, "miou"),
        ("semantic-segmentation", "cityscapes", lambda: segmenter(19), WINDOWS, "miou"),
        ("semantic-segmentation", "pascal-context", lambda: segmenter(60), WINDOWS, "miou"),
        ("semantic-segmentation", "ade20k", lambda: mask2former(150), SIDES, "miou"),
        ("depth-estimation", "nyuv2", dpt, whole, "rmse_m"),
        ("depth-estimation", "kitti", dpt, whole, "rmse_m"),
        ("panoptic-segmentation", "coco", lambda: mask2former(133), SIDES, "pq"),
        ("panoptic-segmentation", "ade20k", lambda: mask2former(150), SIDES, "pq"),
        ("instance-segmentation", "coco", lambda: mask2former(80), SIDES, "mask_ap"),
    ],
)
def test_images_are_measured_at_their_own_size(root, tmp_path, task, dataset, build, inference, metric):
    torch.manual_seed(0)
    runner = Runner(build().eval(), torch.device("cpu"), torch.float32, inference)
    data = datasets.open_split(dataset, task, root=root)
    common = (runner, data, tasks.get(task, **datasets.DATASETS.get(dataset).settings(task)))

    measured = measure_accuracy(*common, predictions=tmp_path)
    assert measured["samples"] == {"images": miniatures.COUNTS[dataset]}
    assert math.isfinite(measured["values"][metric])
    sizes = {data[index].name: tuple(data[index].image.shape[:0:-1]) for index in range(len(data))}
    written = {path.stem: Image.open(path).size for path in tmp_path.rglob("*.png")}
    assert task == "instance-segmentation" or written == sizes

    together = measure_accuracy(*common, batch=2)
    assert together["values"][metric] == pytest.approx(measured["values"][metric], rel=1e-3)
