"""mmsegmentation's Segmenter with the weights of the project's own: the same scores, with and without the hourglass."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch

import hourglass
from hourglass.bench import models, tasks
from hourglass.bench.backends.mmseg import MmsegSegmentor
from hourglass.bench.datasets import Category, Sample
from hourglass.bench.measuring.accuracy import score
from hourglass.bench.measuring.cost import cost_of
from hourglass.bench.measuring.running import Runner
from hourglass.bench.models.checkpoints import convert
from hourglass.bench.models.inference import Resized, SlidingWindow
from hourglass.bench.models.segmenter import Encoder, MaskTransformer, Segmenter

from .conftest import deviation, photographs, randomized

mmengine = pytest.importorskip("mmengine", reason="needs the environment of envs/mmseg.lock")
pytest.importorskip("mmseg", reason="needs the environment of envs/mmseg.lock")
pytestmark = pytest.mark.framework

SIDE, PATCH, WIDTH, DEPTH, HEADS, CLASSES = 64, 8, 32, 4, 4, 5
PLANS = {
    "none": None,
    "decoder": hourglass.Plan(start=2, clusters=(5, 6), reconstruct="decoder", form="published"),
    "decoder, paper": hourglass.Plan(
        start=0, clusters=(5, 6), reconstruct="decoder", semantics="paper", form="published"
    ),
    "encoder": hourglass.Plan(start=1, clusters=(5, 6), form="published"),
    "nearest": hourglass.Plan(start=2, clusters=(4, 4), neighbors=1, form="published"),
}
TOLERANCE = 2e-5


def config(**backbone: Any) -> Any:
    """As the configuration of Segmenter on ViT-L/16, but small."""
    return mmengine.ConfigDict(
        type="EncoderDecoder",
        data_preprocessor={
            "type": "SegDataPreProcessor", "mean": [127.5] * 3, "std": [127.5] * 3, "bgr_to_rgb": True, "pad_val": 0,
        },
        pretrained="a file that is not there",
        backbone={
            "type": "VisionTransformer", "img_size": (SIDE, SIDE), "patch_size": PATCH, "embed_dims": WIDTH,
            "num_layers": DEPTH, "num_heads": HEADS, "drop_path_rate": 0.1, "final_norm": True,
            "norm_cfg": {"type": "LN", "eps": 1e-6, "requires_grad": True}, **backbone,
        },
        decode_head={
            "type": "SegmenterMaskTransformerHead", "in_channels": WIDTH, "channels": WIDTH, "num_classes": CLASSES,
            "num_layers": 2, "num_heads": HEADS, "embed_dims": WIDTH, "dropout_ratio": 0.0,
            "loss_decode": {"type": "CrossEntropyLoss", "use_sigmoid": False, "loss_weight": 1.0},
        },
        test_cfg={"mode": "slide", "crop_size": (SIDE, SIDE), "stride": (48, 48)},
    )  # fmt: skip


@pytest.fixture
def native() -> torch.nn.Module:
    return randomized(MmsegSegmentor(config()))


def own(native: torch.nn.Module) -> torch.nn.Module:
    encoder = Encoder(SIDE, PATCH, WIDTH, DEPTH, HEADS, norm_eps=1e-6, interpolation="bicubic")
    model = Segmenter(encoder, MaskTransformer(CLASSES, WIDTH, WIDTH, 2, HEADS, norm_eps=1e-5))
    model.load_state_dict(convert("segmenter-mmseg", native.model.state_dict()))
    return model.eval()


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())
@torch.inference_mode()
def test_one_window_is_scored_as_by_the_own_model(native, plan):
    images, reference = photographs(2, SIDE, SIDE), own(native)
    if plan is not None:
        hourglass.apply(native, plan)
        hourglass.apply(reference, plan)
    assert deviation(native(images), reference(images)) < TOLERANCE


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())
@torch.inference_mode()
def test_sliding_windows_are_those_of_the_own_protocol(native, plan):
    images, reference = photographs(1, 80, 112), own(native)
    if plan is not None:
        hourglass.apply(native, plan)
        hourglass.apply(reference, plan)
    slide = SlidingWindow(short=80, long=1000, crop=SIDE, stride=48)
    assert deviation(native(images), slide(reference, images)) < TOLERANCE


@pytest.mark.parametrize("place", ["encoder", "decoder"])
@torch.inference_mode()
def test_removed_without_a_trace(native, place):
    images = photographs(1, SIDE, 72)
    before, attributes = native(images), [set(vars(module)) for module in native.modules()]
    hourglass.apply(native, hourglass.Plan(start=2, clusters=(4, 4), reconstruct=place, form="published"))
    accelerated = native(images)
    assert not torch.equal(accelerated, before)
    assert torch.equal(pickle.loads(pickle.dumps(native))(images), accelerated)
    hourglass.remove(native)
    assert torch.equal(native(images), before)
    assert [set(vars(module)) for module in native.modules()] == attributes


@torch.inference_mode()
def test_every_map_that_leaves_the_encoder_is_whole():
    native = randomized(MmsegSegmentor(config(out_indices=[0, 2, 3], final_norm=False)))
    before = native.model.backbone(photographs(1, 48, 80))
    hourglass.apply(native.model.backbone, hourglass.Plan(start=1, clusters=(4, 5), form="published"))
    after = native.model.backbone(photographs(1, 48, 80))
    assert [tuple(level.shape) for level in after] == [(1, WIDTH, 6, 10)] * 3
    assert torch.equal(after[0], before[0])
    assert not torch.equal(after[1], before[1])


class Photographs:
    """Images of two sizes, their classes random."""

    name, split, fingerprint = "photographs", "val", "f" * 64
    categories = tuple(Category(label, str(label), False, (0, 0, 0)) for label in range(CLASSES))

    def __len__(self):
        return 3

    def __getitem__(self, index):
        image = (photographs(1, 64, 72 + 8 * index)[0] * 255).byte()
        return Sample(index, image, image[0].long() % CLASSES, str(index))


@pytest.mark.parametrize("plan", ["none", "decoder"])
def test_metrics_and_cost_are_those_of_the_own_model(native, plan):
    measured = []
    for model in (native, own(native)):
        if PLANS[plan] is not None:
            hourglass.apply(model, PLANS[plan])
        inference = Resized(64, 1000) if model is native else SlidingWindow(64, 1000, SIDE, 48)
        runner = Runner(model, torch.device("cpu"), torch.float32, inference)
        task = tasks.get("semantic-segmentation")
        scores = score(runner, Photographs(), task, range(3), batch=2).values()
        measured.append((scores, cost_of(model, photographs(1, SIDE, SIDE))[0]["gmacs_executed"]))
    assert measured[0][0] == measured[1][0]
    assert measured[0][1] == pytest.approx(measured[1][1], rel=1e-3)


def test_a_decoder_of_several_maps_cannot_run_on_clusters():
    native = MmsegSegmentor(config(out_indices=[1, 3]))
    with pytest.raises(ValueError, match=r"last feature map alone.*reconstruct='encoder'"):
        hourglass.apply(native, hourglass.Plan(start=2, clusters=(4, 4), reconstruct="decoder", form="published"))


def test_a_backbone_alone_has_no_decoder():
    native = MmsegSegmentor(config())
    with pytest.raises(ValueError, match="no module `decode_head`"):
        hourglass.apply(
            native.model.backbone, hourglass.Plan(start=2, clusters=(4, 4), reconstruct="decoder", form="published")
        )


def test_published_weights_go_into_the_engine_unchanged(native):
    state = native.model.state_dict()
    state["backbone.patch_embed.projection.weight"] = torch.zeros(2, 3, 8, 8)
    converted = convert("native", state)
    assert torch.equal(converted.pop("model.backbone.patch_embed.projection.bias"), torch.zeros(2))
    assert set(converted) == set(native.state_dict())
    name = "model.decode_head.layers.1.attn.attn.in_proj_weight"
    assert torch.equal(converted[name], native.state_dict()[name])


def test_the_published_configuration_builds():
    native = models.build_untrained("segmenter-vit-l16-ade20k-mmseg")
    assert native.model.test_cfg.crop_size == (640, 640)
    assert len(native.model.backbone.layers) == 24
