import subprocess
import sys

import pytest
import timm
import torch
import transformers
from torch import nn

import hourglass
from hourglass import Plan

PLAN = Plan(start=1, clusters=(3, 4), form="published")


def vit(**settings) -> nn.Module:
    size = {"img_size": 64, "patch_size": 8, "embed_dim": 32, "depth": 4, "num_heads": 4, "num_classes": 5}
    return timm.create_model("vit_tiny_patch16_224", **{**size, "dynamic_img_size": True, **settings}).eval()


def dpt(**settings) -> nn.Module:
    tiny = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 64}
    neck = {"neck_hidden_sizes": [8] * 4, "fusion_hidden_size": 8, "image_size": 64, "patch_size": 8}
    config = transformers.DPTConfig(**{**tiny, **neck, "backbone_out_indices": [0, 0, 1, 2], **settings})
    return transformers.DPTForDepthEstimation(config).eval()


def test_importing_the_library_needs_torch_alone():
    code = "import sys, hourglass; print(sorted({'timm', 'transformers', 'numpy.random'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "timm" not in done.stdout
    assert "transformers" not in done.stdout


def test_an_unsupported_model_is_told_what_is_supported():
    with pytest.raises(ValueError, match=r"^Linear contains no encoder that can be accelerated; supported: ") as error:
        hourglass.apply(nn.Linear(2, 2), PLAN)
    for name in ("timm VisionTransformer", "transformers ViT", "DINOv3", "DPT", "Depth Anything", "Swin", "Sam"):
        assert name in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["resnet18", "beit_base_patch16_224", "vit_relpos_small_patch16_224"])
def test_models_that_only_look_alike_are_refused(name):
    size = {} if name == "resnet18" else {"embed_dim": 32, "depth": 1, "num_heads": 2}
    with pytest.raises(ValueError, match="contains no encoder that can be accelerated"):
        hourglass.apply(timm.create_model(name, num_classes=2, **size), PLAN)


def test_twice_is_once_too_often():
    model = hourglass.apply(vit(), PLAN)
    for again in (model, nn.Sequential(nn.Sequential(model))):
        with pytest.raises(ValueError, match=r"is accelerated already: call hourglass.remove\(model\) first$"):
            hourglass.apply(again, PLAN)


def test_nothing_to_remove():
    with pytest.raises(ValueError, match=r"^VisionTransformer is not accelerated: there is nothing to remove$"):
        hourglass.remove(vit())


def test_what_is_around_the_encoder_does_not_matter():
    encoder = vit()
    model = nn.Sequential(nn.Identity(), encoder)
    hourglass.apply(model, PLAN)
    assert hourglass.is_applied(encoder)
    hourglass.remove(encoder)
    assert not hourglass.is_applied(model)


@pytest.mark.parametrize("start", [4, 9])
def test_a_start_behind_the_last_block(start):
    model = vit()
    with pytest.raises(ValueError, match=f"^plan.start is {start}, but the encoder has 4 blocks.* choose 0 to 3$"):
        hourglass.apply(model, Plan(start=start, clusters=(3, 4), form="published"))
    assert not hourglass.is_applied(model)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_a_start_behind_the_last_map_that_is_used():
    message = (
        r"^plan.start is 3, but DPTForDepthEstimation uses no feature map behind its first 3 blocks, so nothing would "
    )
    with pytest.raises(ValueError, match=message + "change: choose 0 to 2$"):
        hourglass.apply(dpt(), Plan(start=3, clusters=(3, 4), form="published"))
    hourglass.apply(dpt(), Plan(start=2, clusters=(3, 4), form="published"))


def test_a_model_without_a_decoder_cannot_reconstruct_behind_it():
    message = "^plan.reconstruct is 'decoder', but VisionTransformer has no module `decoder` beside its encoder: "
    with pytest.raises(ValueError, match=message):
        hourglass.apply(vit(), Plan(start=1, clusters=(3, 4), reconstruct="decoder", form="published"))


def test_a_decoder_of_maps_cannot_be_reconstructed():
    tiny = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    config = transformers.ViTConfig(**tiny, image_size=64, patch_size=8, encoder_stride=8)
    model = transformers.ViTForMaskedImageModeling(config)
    hourglass.apply(model, Plan(start=1, clusters=(4, 4), reconstruct="decoder", form="published"))
    message = (
        r"^plan.reconstruct='decoder' needs a decoder that returns one row per token, \(batch, 16, channels\), got "
    )
    with pytest.raises(ValueError, match=message):
        model(torch.randn(1, 3, 64, 64))


def test_more_clusters_than_this_image_has_tokens():
    model = hourglass.apply(vit(), Plan(start=1, clusters=(6, 7), form="published"))
    assert model(torch.randn(1, 3, 64, 64)).shape == (1, 5)
    message = "^plan.clusters 6 x 7 are more than the 5 x 8 tokens of this input: choose fewer, or a larger image$"
    with pytest.raises(ValueError, match=message):
        model(torch.randn(1, 3, 40, 64))


def test_more_rows_of_clusters_than_of_tokens_are_fine():
    model = hourglass.apply(vit(), Plan(start=1, clusters=(10, 3), form="published"))
    assert model.forward_features(torch.randn(1, 3, 64, 64)).shape == (1, 65, 32)


def test_tokens_that_are_not_a_grid():
    model = hourglass.apply(vit(patch_drop_rate=0.5), PLAN)
    with torch.no_grad():
        assert model(torch.randn(1, 3, 64, 64)).shape == (1, 5)
        message = r"^block 1 got 33 tokens, which do not fill the grid \(8, 8\) of the patch embedding behind 1 prefix "
        with pytest.raises(ValueError, match=message):
            model.train()(torch.randn(1, 3, 64, 64))


def test_attention_masks_are_refused():
    model = hourglass.apply(vit(), PLAN)
    with pytest.raises(ValueError, match=r"^an attention mask cannot follow the tokens into their clusters: "):
        model(torch.randn(1, 3, 64, 64), attn_mask=torch.zeros(65, 65))
    tiny = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    model = transformers.ViTModel(transformers.ViTConfig(**tiny, image_size=64, patch_size=8))
    hourglass.apply(model, PLAN)
    with pytest.raises(ValueError, match=r"^an attention mask cannot follow the tokens into their clusters: "):
        model(torch.randn(1, 3, 64, 64), attention_mask=torch.tensor([[1] * 60 + [0] * 5]))


def test_a_bias_that_all_blocks_share_is_refused():
    tiny = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    config = transformers.BeitConfig(**tiny, image_size=(64, 64), patch_size=8, use_shared_relative_position_bias=True)
    with pytest.raises(ValueError, match=r"^BeitModel shares one relative position bias .*_bias=False$"):
        hourglass.apply(transformers.BeitModel(config), PLAN)


def test_a_compiled_model_is_refused():
    for model in (torch.compile(vit()), nn.Sequential(torch.compile(vit()))):
        with pytest.raises(ValueError, match="is compiled, and would not notice: apply to the model first, then"):
            hourglass.apply(model, PLAN)
    model = vit()
    model.compile()
    with pytest.raises(ValueError, match="is compiled"):
        hourglass.apply(model, PLAN)


@pytest.mark.parametrize(("model", "plan"), [("vit", PLAN), (None, {"start": 1})])
def test_other_things_are_refused(model, plan):
    with pytest.raises(ValueError, match=r"^apply takes a torch.nn.Module and a Plan, got "):
        hourglass.apply(model or vit(), plan)
