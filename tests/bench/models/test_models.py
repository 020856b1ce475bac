"""Every model builds, speaks its task's language, and says plainly when its weights are no good."""

from __future__ import annotations

import pytest
import torch
import transformers
from safetensors.torch import save_file

from hourglass.bench import models
from hourglass.bench.models import weights
from hourglass.bench.models.depth import DepthEstimator
from hourglass.bench.models.reference import segmenter_scenes
from hourglass.registry import UserError

MIB = 2**20
OWN = [name for name in models.MODELS.names() if models.card(name).artifact is None]
FULL_SIZE = [
    name
    for name in models.MODELS.names()
    if name not in OWN and models.card(name).backend is None and not models.card(name).shipped
]


@pytest.fixture(scope="module", params=OWN)
def built(request):
    torch.manual_seed(0)
    return models.card(request.param), models.build_untrained(request.param)


@torch.inference_mode()
def test_outputs_are_those_of_the_task(built):
    card, model = built
    height, width = card.image_size
    output = model(torch.rand(2, 3, height, width))
    for task in card.tasks:
        match task:
            case "semantic-segmentation":
                assert output.shape == (2, 11, height, width)
            case "depth-estimation":
                assert output.shape == (2, height, width)
                assert 0 < output.min() <= output.max() <= 60.001
            case "object-detection":
                assert len(output) == 2
                assert set(output[0]) - {"masks", "semantic"} == {"boxes", "scores", "labels"}
            case "panoptic-segmentation" | "instance-segmentation" if isinstance(output, list):
                assert [one["semantic"].shape for one in output] == [(11, height, width)] * 2
                for one in output:
                    assert one["masks"].shape == (len(one["boxes"]), 1, height, width)
                    assert 0 <= one["masks"].min() <= one["masks"].max() <= 1
            case "panoptic-segmentation" | "instance-segmentation":
                assert output.class_queries_logits.shape == (2, 32, 12)
                assert output.masks_queries_logits.shape == (2, 32, height // 4, width // 4)


@torch.inference_mode()
def test_a_prediction_does_not_depend_on_the_batch(built):
    card, model = built
    if card.tasks == ("object-detection",):
        pytest.skip("torchvision pads a batch to its largest image; all are equal here, and its outputs are lists")
    images = torch.rand(2, 3, *card.image_size, generator=torch.Generator().manual_seed(1))
    both, one = model(images), model(images[1:])
    if isinstance(both, list):
        both, one = (torch.stack([each["semantic"] for each in found]) for found in (both, one))
    elif card.tasks[0] == "panoptic-segmentation":
        both, one = both.class_queries_logits, one.class_queries_logits
    torch.testing.assert_close(both[1:], one, rtol=1e-3, atol=1e-4)


def test_a_card_says_in_words_how_images_go_through_its_model():
    protocol = "SlidingWindow(short=640, long=2560, crop=640, stride=640)"
    assert models.card("segmenter-vit-l16-ade20k").protocol == protocol
    assert models.card("segmenter-scenes").protocol is None


@torch.inference_mode()
def test_segmenter_takes_any_size():
    model = segmenter_scenes().eval()
    assert model(torch.rand(1, 3, 100, 75)).shape == (1, 11, 100, 75)
    model.working_size = (64, 80)
    assert model(torch.rand(1, 3, 90, 120)).shape == (1, 11, 90, 120)


def test_segmenters_decoder_knows_no_grid():
    decoder = segmenter_scenes().eval().decoder
    tokens = torch.randn(1, 50, 192)
    order = torch.randperm(50)
    torch.testing.assert_close(decoder(tokens)[:, order], decoder(tokens[:, order]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", OWN)
def test_shipped_weights_load_and_are_small(name, tmp_path):
    card = models.card(name)
    assert card.weights(tmp_path).stat().st_size <= 16 * MIB
    state = models.build(name, tmp_path).state_dict()
    assert all(torch.isfinite(value).all() for value in state.values())


def test_all_weights_together_are_small_and_belong_to_a_model():
    files = list(weights.IN_PACKAGE.iterdir())
    assert sum(file.stat().st_size for file in files) <= 64 * MIB
    assert {file.name for file in files} == {
        f"{name}.safetensors" for name in models.MODELS.names() if models.card(name).shipped
    }


def test_unknown_name():
    with pytest.raises(UserError, match="unknown model 'dpt-scene'; did you mean 'dpt-scenes'"):
        models.card("dpt-scene")


def test_missing_and_foreign_weights(tmp_path):
    path = tmp_path / "mine.safetensors"
    card = models.card("dpt-scenes").model_copy(update={"name": "mine", "shipped": False, "weights_file": path})
    with models.MODELS.replaced("mine", card):
        with pytest.raises(UserError, match=r"mine.safetensors: the weights of 'mine' are missing; restore the file$"):
            models.build("mine", tmp_path)
        save_file({"nonsense": torch.zeros(1)}, path)
        with pytest.raises(UserError, match="does not fit the model 'mine'"):
            models.build("mine", tmp_path)
        path.write_bytes(b"not safetensors at all")
        with pytest.raises(UserError, match="not a readable safetensors file"):
            models.build("mine", tmp_path)


@pytest.mark.parametrize("name", FULL_SIZE)
def test_a_full_size_model_is_built_without_allocating(name):
    model = models.build_meta(name)
    held = [*model.parameters(), *model.buffers()]
    assert all(tensor.is_meta for tensor in held)
    assert sum(parameter.numel() for parameter in model.parameters()) > 20e6


@pytest.mark.parametrize(
    ("name", "what"),
    [
        (
            "dpt-hybrid-kitti",
            "data/checkpoints/dpt-hybrid-kitti.safetensors: .* run `hourglass convert dpt-hybrid-kitti`",
        ),
        ("dino-swin-l-coco", "only its cost can be counted here"),
    ],
)
def test_weights_that_are_not_part_of_the_project(name, what, tmp_path):
    with pytest.raises(UserError, match=what):
        models.card(name).existing_files(tmp_path / "data")


@torch.inference_mode()
@pytest.mark.parametrize("hybrid", [False, True])
def test_depth_of_an_image_that_is_no_square(hybrid):
    shared = {
        "hidden_size": 8, "num_hidden_layers": 4, "num_attention_heads": 1, "intermediate_size": 8, "image_size": 64,
        "backbone_out_indices": [0, 1, 2, 3], "neck_hidden_sizes": [8, 16, 8, 8], "fusion_hidden_size": 8,
    }  # fmt: skip
    if hybrid:
        backbone = transformers.BitConfig(
            hidden_sizes=[8, 16, 32], depths=[1, 1, 1], embedding_size=8, num_groups=4, global_padding="same",
            out_features=["stage1", "stage2", "stage3"], embedding_dynamic_padding=True,
        )  # fmt: skip
        shared |= {"is_hybrid": True, "backbone_config": backbone, "backbone_featmap_shape": [1, 32, 4, 4]}
        shared |= {"neck_ignore_stages": [0, 1], "reassemble_factors": [1, 1, 1, 0.5], "readout_type": "project"}
    torch.manual_seed(0)
    model = DepthEstimator(transformers.DPTConfig(**shared), scale=0.1, shift=0.1).eval()
    square = torch.rand(1, 3, 64, 64)
    theirs = 0.1 * model.dpt(square * 2 - 1).predicted_depth + 0.1
    torch.testing.assert_close(1 / model(square), theirs)
    if hybrid:
        model.dpt.dpt.embeddings.image_size = (64, 96)
    assert model(torch.rand(1, 3, 64, 96)).shape == (1, 64, 96)
