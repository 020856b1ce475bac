"""Models of detectron2 with the weights of transformers' models: the same outputs, with and without the hourglass.

Transformers has no MaskDINO: its results are compared with those of its own inference.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from importlib.util import find_spec

import pytest
import torch
from torch import Tensor, nn

import hourglass
from hourglass.bench import tasks
from hourglass.bench.backends.detectron2 import Detectron2Detector, Queries, mask2former, maskdino
from hourglass.bench.datasets.base import Category
from hourglass.bench.measuring.conventions import convention_of, regions
from hourglass.bench.tasks.mask_queries import LogitDecoding

from .conftest import deviation, photographs, randomized

pytest.importorskip("detectron2", reason="needs the environment of envs/detectron2.lock")
transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.framework
needs_mask2former = pytest.mark.skipif(
    find_spec("mask2former") is None, reason="needs a checkout of Mask2Former on PYTHONPATH"
)
needs_maskdino = pytest.mark.skipif(find_spec("maskdino") is None, reason="needs a checkout of MaskDINO on PYTHONPATH")

PLANS = {
    "none": None,
    "official": hourglass.Plan(start=3, clusters=(3, 3), form="published"),
    "paper": hourglass.Plan(start=3, clusters=(3, 3), semantics="paper", form="published"),
    "even": hourglass.Plan(start=4, clusters=(2, 2), form="published"),
}
TOLERANCE = 2e-5


def accelerated(plan: hourglass.Plan | None, *models: nn.Module) -> None:
    for model in models:
        if plan is not None:
            hourglass.apply(model, plan)


SWIN = {"embed_dim": 16, "depths": [2, 4, 1, 1], "num_heads": [2, 4, 4, 4], "window_size": 4}
"""Grids of 11 x 19, 6 x 10, ... tokens for 44 x 76 pixels, which need padding to whole windows."""


def swins(package: str) -> tuple[nn.Module, nn.Module]:
    """The Swin of detectron2, or of MaskDINO, and transformers' with the same weights."""
    from hourglass.bench.models.checkpoints import convert

    if package == "maskdino":
        small_maskdino()  # which imports it
    module = import_module(f"{package}.modeling.backbone.swin")
    native = randomized(module.SwinTransformer(pretrain_img_size=64, patch_size=4, out_indices=(1, 3), **SWIN))
    config = transformers.SwinConfig(image_size=64, patch_size=4, out_features=["stage2", "stage4"], **SWIN)
    state = {f"backbone.{key}": value for key, value in native.state_dict().items()}
    other = transformers.SwinBackbone(config)
    prefix = "mask2former.model.pixel_level_module.encoder."
    converted = convert("mask2former-detectron2", state)
    other.load_state_dict({key.removeprefix(prefix): value for key, value in converted.items()})
    return native, other.eval()


each_swin = pytest.mark.parametrize("package", ["detectron2", pytest.param("maskdino", marks=needs_maskdino)])


@each_swin
@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())
@torch.inference_mode()
def test_swin_is_that_of_transformers(package, plan):
    native, other = swins(package)
    accelerated(plan, native, other)
    images = photographs(2, 44, 76)
    for ours, reference in zip(native(images).values(), other(images).feature_maps, strict=True):
        assert deviation(ours, reference) < TOLERANCE


@each_swin
@torch.inference_mode()
def test_swin_is_left_as_it_was(package):
    native, _ = swins(package)
    images = photographs(1, 44, 76)
    before, attributes = native(images), [set(vars(module)) for module in native.modules()]
    hourglass.apply(native, hourglass.Plan(start=3, clusters=(3, 3), form="published"))
    changed = native(images)
    assert not any(torch.equal(changed[name], before[name]) for name in before)
    hourglass.remove(native)
    after = native(images)
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert [set(vars(module)) for module in native.modules()] == attributes


VIT = {"embed_dim": 32, "depth": 6, "num_heads": 4, "window_block_indexes": (0, 1, 3, 4), "window_size": 4}
BLOCK = {"norm1": "layer_norm1", "norm2": "layer_norm2", "mlp.fc1": "mlp.lin1", "mlp.fc2": "mlp.lin2"}


def vits() -> tuple[nn.Module, nn.Module]:
    """ViTDet's encoder, and SAM's of transformers, which is the same up to its neck."""
    from detectron2.modeling.backbone.vit import ViT

    native = ViT(
        img_size=44, patch_size=4, use_rel_pos=True, pretrain_img_size=44, pretrain_use_cls_token=False,
        norm_layer=partial(nn.LayerNorm, eps=1e-6), **VIT,
    )  # fmt: skip
    randomized(native)
    config = transformers.SamVisionConfig(
        hidden_size=32, output_channels=8, num_hidden_layers=6, num_attention_heads=4, image_size=44, patch_size=4,
        window_size=4, global_attn_indexes=[2, 5], mlp_dim=128,
    )  # fmt: skip
    from transformers.models.sam.modeling_sam import SamVisionEncoder

    other = SamVisionEncoder(config).eval()
    state = native.state_dict()
    state["pos_embed"] = state["pos_embed"].unflatten(1, (11, 11))
    renamed = {}
    for key, value in state.items():
        for old, new in {"patch_embed.proj": "patch_embed.projection", "blocks.": "layers.", **BLOCK}.items():
            key = key.replace(old, new)
        renamed[key] = value
    missing, unexpected = other.load_state_dict(renamed, strict=False)
    assert not unexpected
    assert all(key.startswith("neck.") for key in missing)
    return native, other


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())
@torch.inference_mode()
def test_vitdets_encoder_is_sams(plan):
    native, other = vits()
    accelerated(plan, native, other)
    images, last = photographs(2, 44, 44), []
    other.neck.register_forward_pre_hook(lambda neck, inputs: last.append(inputs[0]))
    other(images)
    assert deviation(native(images)["last_feat"].permute(0, 2, 3, 1), last[0]) < TOLERANCE


def test_vitdet_without_windows_is_refused():
    from detectron2.modeling.backbone.vit import ViT

    native = ViT(img_size=44, patch_size=4, **{**VIT, "window_block_indexes": (), "window_size": 0})
    with pytest.raises(ValueError, match="every block of this ViT attends globally"):
        hourglass.apply(native, hourglass.Plan(start=2, clusters=(3, 3), form="published"))


SMALL = {
    "MODEL.SWIN.EMBED_DIM": 16,
    "MODEL.SWIN.DEPTHS": [1, 1, 6, 1],
    "MODEL.SWIN.NUM_HEADS": [1, 2, 2, 4],
    "MODEL.SWIN.WINDOW_SIZE": 4,
    "MODEL.SEM_SEG_HEAD.NUM_CLASSES": 5,
    "MODEL.SEM_SEG_HEAD.CONVS_DIM": 64,
    "MODEL.SEM_SEG_HEAD.MASK_DIM": 64,
    "MODEL.SEM_SEG_HEAD.TRANSFORMER_ENC_LAYERS": 1,
    "MODEL.MASK_FORMER.NUM_OBJECT_QUERIES": 7,
    "MODEL.MASK_FORMER.HIDDEN_DIM": 64,
    "MODEL.MASK_FORMER.DEC_LAYERS": 3,
    "MODEL.MASK_FORMER.DIM_FEEDFORWARD": 128,
}


@needs_mask2former
@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())
@torch.inference_mode()
def test_mask2former_is_that_of_transformers(plan):
    from hourglass.bench.models.checkpoints import convert
    from hourglass.bench.models.mask2former import MaskSegmenter

    native = randomized(
        mask2former("coco/panoptic-segmentation/swin/maskformer2_swin_large_IN21k_384_bs16_100ep.yaml", SMALL)
    )
    backbone = transformers.SwinConfig(
        image_size=384, embed_dim=16, depths=[1, 1, 6, 1], num_heads=[1, 2, 2, 4], window_size=4, drop_path_rate=0.0,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = transformers.Mask2FormerConfig(
        backbone_config=backbone, num_labels=5, num_queries=7, feature_size=64, mask_feature_size=64, hidden_dim=64,
        encoder_layers=1, decoder_layers=3, dim_feedforward=128,
    )  # fmt: skip
    other = MaskSegmenter(config)
    other.load_state_dict(convert("mask2former-detectron2", native.model.state_dict()))
    other.eval()
    accelerated(plan, native, other)
    images = photographs(2, 96, 160)
    ours, reference = native(images), other(images)
    assert deviation(ours.class_queries_logits, reference.class_queries_logits) < 1e-4
    assert deviation(ours.masks_queries_logits, reference.masks_queries_logits) < 1e-4


@needs_mask2former
@torch.inference_mode()
def test_mask2formers_masks_are_those_of_the_image_without_padding():
    native = randomized(
        mask2former("coco/panoptic-segmentation/swin/maskformer2_swin_large_IN21k_384_bs16_100ep.yaml", SMALL)
    )
    assert native(photographs(1, 90, 150)).masks_queries_logits.shape == (1, 7, 90, 150)


PANOPTIC = "coco/panoptic-segmentation/swin/maskdino_R50_bs16_50ep_4s_dowsample1_2048.yaml"
INSTANCE = "coco/instance-segmentation/swin/maskdino_R50_bs16_50ep_4s_dowsample1_2048.yaml"


def small_maskdino(config: str = PANOPTIC) -> nn.Module:
    shared = {key: value for key, value in SMALL.items() if "MASK_FORMER" not in key and "NUM_CLASSES" not in key}
    queries = {"NUM_OBJECT_QUERIES": 20, "HIDDEN_DIM": 256, "DEC_LAYERS": 2, "DIM_FEEDFORWARD": 64}
    changes = shared | {f"MODEL.MaskDINO.{key}": value for key, value in queries.items()}
    return randomized(maskdino(config, changes | {"MODEL.MaskDINO.TEST.OVERLAP_THRESHOLD": 0.1}))


def coco(classes: int) -> list[Category]:
    return [Category(i + 1, str(i), i < 80, (0, 0, 0)) for i in range(classes)]


def agree(ours, reference) -> None:
    """A panoptic map, or instances, with what MaskDINO calls by the same names."""
    if isinstance(reference, tuple):
        ids, segments = reference
        assert torch.equal(ours.ids, ids.long())
        assert [segment.label for segment in ours.segments] == [segment["category_id"] for segment in segments]
        assert segments
        return
    order, theirs = ours.scores.argsort(descending=True), reference.scores.argsort(descending=True)
    torch.testing.assert_close(ours.scores[order], reference.scores[theirs])
    assert torch.equal(ours.labels[order], reference.pred_classes[theirs])
    assert torch.equal(ours.masks[order], reference.pred_masks[theirs].bool())
    assert len(order)


@needs_maskdino
@pytest.mark.parametrize("seed", range(5))
def test_queries_are_read_as_maskdino_reads_them(seed):
    generator = torch.Generator().manual_seed(seed)
    classes = torch.randn(20, 133, generator=generator) * 2 - 4
    masks = torch.nn.functional.interpolate(torch.randn(1, 20, 4, 6, generator=generator) * 9, (32, 48))[0]
    native = small_maskdino().model
    output = Queries(classes[None], masks[None], LogitDecoding(temperature=0.06, score_threshold=0.25))
    [ours] = tasks.get("panoptic-segmentation", overlap_threshold=0.1).predict(output, [(32, 48)], coco(133))
    agree(ours, native.panoptic_inference(classes, masks))
    [ours] = tasks.get("instance-segmentation").predict(output, [(32, 48)], coco(133))
    agree(ours, native.instance_inference(classes, masks, torch.zeros(20, 4)))


@needs_maskdino
@pytest.mark.parametrize("plan", [None, PLANS["official"]], ids=["none", "official"])
@pytest.mark.parametrize("config", [PANOPTIC, INSTANCE], ids=["panoptic", "instance"])
@torch.inference_mode()
def test_maskdino_predicts_what_its_own_forward_does(config, plan):
    native = small_maskdino(config)
    accelerated(plan, native)
    images = photographs(1, 60, 90)
    [reference] = native.model([{"image": images[0] * 255}])
    found = native(images)
    assert found.decoding == LogitDecoding(temperature=0.06, score_threshold=0.25)
    categories = coco(found.class_queries_logits.shape[2])
    assert len(categories) == (133 if config == PANOPTIC else 80)
    [ours] = tasks.get("instance-segmentation").predict(found, [(60, 90)], categories)
    agree(ours, reference["instances"])
    if config == PANOPTIC:
        [ours] = tasks.get("panoptic-segmentation", overlap_threshold=0.1).predict(found, [(60, 90)], categories)
        agree(ours, reference["panoptic_seg"])


@needs_maskdino
@torch.inference_mode()
def test_maskdino_is_left_as_it_was():
    native, images = small_maskdino(INSTANCE), photographs(1, 64, 96)
    before, attributes = native(images), [set(vars(module)) for module in native.modules()]
    hourglass.apply(native, hourglass.Plan(start=3, clusters=(3, 3), form="published"))
    assert not torch.equal(native(images).masks_queries_logits, before.masks_queries_logits)
    hourglass.remove(native)
    after = native(images)
    assert torch.equal(after.masks_queries_logits, before.masks_queries_logits)
    assert torch.equal(after.class_queries_logits, before.class_queries_logits)
    assert [set(vars(module)) for module in native.modules()] == attributes


@needs_maskdino
def test_maskdinos_keys_are_native():
    from hourglass.bench.models.checkpoints import convert

    native = small_maskdino()
    assert set(convert("native", native.model.state_dict())) == set(native.state_dict())


@needs_maskdino
def test_maskdinos_published_cost_is_that_of_its_backbone():
    native = small_maskdino()
    assert convention_of(native).name == "swin"
    assert regions(native)["backbone"] is native.model.backbone


class Echo(nn.Module):
    """Finds in each image one box, whose score is the value of its first pixel's first channel."""

    def forward(self, inputs: list[dict[str, Tensor]]) -> list[dict[str, object]]:
        from detectron2.structures import Boxes, Instances

        found = []
        for given in inputs:
            instances = Instances((given["height"], given["width"]))
            instances.pred_boxes = Boxes(torch.tensor([[0.0, 0.0, given["width"], given["height"]]]))
            instances.scores, instances.pred_classes = given["image"][0, 0, :1], torch.tensor([3])
            found.append({"instances": instances})
        return found


@pytest.mark.parametrize(("bgr", "channel"), [(False, 0), (True, 2)])
def test_a_detector_gets_pixels_and_hands_out_what_the_task_wants(bgr, channel):
    images = photographs(2, 20, 30)
    found = Detectron2Detector(Echo(), bgr)(images)
    assert [set(one) for one in found] == [{"boxes", "scores", "labels"}] * 2
    assert found[1]["boxes"].tolist() == [[0, 0, 30, 20]]
    torch.testing.assert_close(found[1]["scores"], images[1, channel, 0, :1] * 255)
    assert found[1]["labels"].tolist() == [3]
