import subprocess
import sys
import warnings

import pytest
import timm
import torch
import transformers
from torch import nn

import hourglass
from hourglass import Plan
from hourglass.acceleration.masks import without_masks

from .releases import newer

PLAN = Plan(start=1, clusters=(3, 4))


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


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            nn.Linear(2, 2),
            r"^Linear contains no encoder that can be accelerated; nearest of the \d+ supported classes: ",
        ),
        (timm.create_model("resnet18"), "^ResNet contains no encoder that can be accelerated; nearest "),
        (
            transformers.models.dinov2.modeling_dinov2.Dinov2Encoder(transformers.Dinov2Config(num_hidden_layers=1)),
            r"^Dinov2Encoder is no whole encoder: pass the model around it \(Dinov2Model, Dinov2Backbone, or one with",
        ),
        (
            transformers.SwinModel(transformers.SwinConfig(depths=[1], num_heads=[1], embed_dim=8)).encoder.layers[0],
            r"^SwinStage is no whole encoder: pass the model around it \(SwinEncoder, or one with that inside\)$",
        ),
        (
            transformers.SegformerModel(transformers.SegformerConfig(depths=[1] * 4)),
            "^SegformerModel pools its tokens every few blocks",
        ),
        (
            nn.Sequential(timm.create_model("hiera_tiny_224")),
            "^Sequential contains Hiera, which pools its tokens every few blocks",
        ),
    ],
    ids=["layer", "convolutions", "part", "stage", "pooling", "pooling inside"],
)
def test_an_unsupported_model_is_told_what_is_nearest(model, message):
    with pytest.raises(ValueError, match=message) as error:
        hourglass.apply(model, PLAN)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


def test_a_class_with_another_name_is_told_the_nearest():
    class ViTModle(nn.Module):
        pass

    with pytest.raises(ValueError, match=r"supported classes: .*ViTModel"):
        hourglass.apply(ViTModle(), PLAN)


@pytest.mark.parametrize("name", ["beit_base_patch16_224", "vit_relpos_small_patch16_224"])
def test_models_whose_blocks_hold_relative_positions_are_accelerated(name):
    model = timm.create_model(name, num_classes=2, embed_dim=32, depth=2, num_heads=2)
    assert hourglass.is_applied(hourglass.apply(model, PLAN))


def test_twice_is_once_too_often():
    model = hourglass.apply(vit(), PLAN)
    for again in (model, nn.Sequential(nn.Sequential(model))):
        with pytest.raises(ValueError, match=r"is accelerated already: call hourglass.remove\(model\) first$"):
            hourglass.apply(again, PLAN)


def test_nothing_to_remove():
    with pytest.raises(ValueError, match=r"^VisionTransformer is not accelerated: there is nothing to remove$"):
        hourglass.remove(vit())


class Pair(nn.Module):
    """Two encoders, as in Depth Pro or beside a text tower."""

    def __init__(self):
        super().__init__()
        self.patches, self.image = vit(), nn.Sequential(vit(depth=3))

    def forward(self, images):
        return self.patches.forward_features(images), self.image[0].forward_features(images)


def test_all_encoders_are_accelerated_and_all_are_undone(caplog):
    model, images = Pair(), torch.randn(1, 3, 64, 64)
    before = model(images)
    with caplog.at_level("INFO", logger="hourglass"):
        hourglass.apply(model, PLAN)
    found = hourglass.summary(model)
    assert [(one.path, one.blocks, one.start, one.until) for one in found] == [
        ("patches", 4, 1, 4),
        ("image.0", 3, 1, 3),
    ]
    assert "VisionTransformer at 'image.0': all tokens become 3 x 4 clusters in blocks 2 to 3 of 3" in caplog.text
    after = model(images)
    assert [tokens.shape for tokens in after] == [tokens.shape for tokens in before]
    assert not any(map(torch.equal, after, before))
    hourglass.remove(model)
    assert hourglass.summary(model) == []
    assert all(map(torch.equal, model(images), before))


def test_one_encoder_by_its_path():
    model, images = Pair(), torch.randn(1, 3, 64, 64)
    before = model(images)
    hourglass.apply(model, PLAN, encoder="image")
    assert [one.path for one in hourglass.summary(model)] == ["image.0"]
    assert [torch.equal(one, other) for one, other in zip(model(images), before, strict=True)] == [True, False]
    hourglass.apply(model, Plan(start=2, clusters=(4, 4)), encoder=["patches"])
    assert [one.start for one in hourglass.summary(model)] == [2, 1]
    with pytest.raises(ValueError, match=r"^'patches' in Pair is accelerated already"):
        hourglass.apply(model, PLAN)
    with pytest.raises(ValueError, match=r"^encoder: Pair has none at 'patch'; did you mean 'patches'"):
        hourglass.apply(model, PLAN, encoder="patch")


def test_one_plan_that_does_not_fit_changes_none():
    model = Pair()
    with pytest.raises(ValueError, match="the encoder has 3 blocks"):
        hourglass.apply(model, Plan(start=3, clusters=(3, 4)))
    assert not hourglass.is_applied(model)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


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
    model = hourglass.apply(vit(), Plan(start=1, clusters=(6, 7)))
    assert model(torch.randn(1, 3, 64, 64)).shape == (1, 5)
    message = "^plan.clusters 6 x 7 are more than the 5 x 8 tokens of this input: choose fewer, or a larger image$"
    with pytest.raises(ValueError, match=message):
        model(torch.randn(1, 3, 40, 64))


def test_more_rows_of_clusters_than_of_tokens_are_fine():
    model = hourglass.apply(vit(), Plan(start=1, clusters=(10, 3)))
    assert model.forward_features(torch.randn(1, 3, 64, 64)).shape == (1, 65, 32)


def test_tokens_that_are_not_a_grid():
    model = hourglass.apply(vit(patch_drop_rate=0.5), PLAN)
    with torch.no_grad():
        assert model(torch.randn(1, 3, 64, 64)).shape == (1, 5)
        message = r"^block 1 got 33 tokens, which do not fill the grid \(8, 8\) of the patch embedding behind 1 prefix "
        with pytest.raises(ValueError, match=message):
            model.train()(torch.randn(1, 3, 64, 64))


@newer
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


def test_a_model_that_was_changed_over_the_hourglass_is_not_undone():
    model = hourglass.apply(vit(), PLAN)

    class Sharded(type(model)):
        pass

    model.__class__ = Sharded
    with pytest.raises(ValueError, match=r"^the class of Sharded was changed after the model was accelerated"):
        hourglass.remove(model)
    assert hourglass.is_applied(model)


def test_a_forward_that_was_replaced_before_is_refused():
    model = timm.create_model("swin_tiny_patch4_window7_224", depths=(1, 2, 1, 1)).eval()
    block = model.layers[1].blocks[1]
    block.forward = block.forward
    with pytest.raises(ValueError, match=r"^the forward of SwinTransformerBlock was replaced .*: apply first"):
        hourglass.apply(model, Plan(start=1, clusters=(4, 4)))
    assert not hourglass.is_applied(model)


def test_a_mask_of_flex_attention_is_a_mask():
    class BlockMask:
        pass

    with pytest.raises(ValueError, match=r"^an attention mask cannot follow the tokens into their clusters: "):
        without_masks(((BlockMask(),), {}), masked=True)
    assert without_masks(((BlockMask(), 1), {"attention_mask": BlockMask()}), masked=False) == (
        (None, 1),
        {"attention_mask": None},
    )


@newer
@pytest.mark.slow  # compiles the attention
def test_flex_attention_gives_what_the_fused_attention_gives():
    settings = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64}
    model = transformers.Dinov2Model(transformers.Dinov2Config(**settings, image_size=64, patch_size=8)).eval()
    hourglass.apply(model, PLAN)
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        expected = model(images).last_hidden_state
        model.set_attn_implementation("flex_attention")
        found = model(images).last_hidden_state
    assert model.config._attn_implementation == "flex_attention"
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_no_feature_maps_are_what_the_untouched_model_makes_of_them():
    def outcome(model):
        try:
            return model.forward_intermediates(torch.randn(1, 3, 64, 64), indices=[])[1]
        except ValueError as error:
            return str(error)

    assert outcome(hourglass.apply(vit(), PLAN)) == outcome(vit())


@newer
def test_is_causal_is_refused():
    model = hourglass.apply(vit(), PLAN)
    with pytest.raises(ValueError, match=r"^is_causal makes tokens follow each other"):
        model.forward_features(torch.randn(1, 3, 64, 64), is_causal=True)


@pytest.mark.parametrize("form", ["residual", "published"])
def test_a_temperature_that_does_not_suit_is_told_once(form):
    model, images = vit(), torch.randn(2, 3, 64, 64)
    with pytest.warns(UserWarning, match=r"^plan.temperature 1e-05 does not suit the tokens of VisionTransformer: all"):
        hourglass.apply(model, Plan(start=1, clusters=(3, 4), temperature=1e-5, form=form))(images)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model(images)
        hourglass.remove(model)
        hourglass.apply(model, PLAN)(images)


def test_tokens_that_fade_away_are_told():
    model = vit()
    with pytest.warns(UserWarning, match="tokens fade away"):
        hourglass.apply(model, Plan(start=1, clusters=(3, 4), temperature=1e4, form="published"))(
            torch.randn(1, 3, 64, 64)
        )


def test_a_plan_that_saves_nothing_is_told():
    config = transformers.SamVisionConfig(
        hidden_size=16, output_channels=8, num_hidden_layers=2, num_attention_heads=2, image_size=64, patch_size=8,
        window_size=5, global_attn_indexes=[], mlp_dim=32,
    )  # fmt: skip
    model = transformers.models.sam.modeling_sam.SamVisionEncoder(config).eval()
    hourglass.apply(model, Plan(start=1, clusters=(4, 4), form="published"))
    with pytest.warns(UserWarning, match="8 x 8 clusters in place of 8 x 8 tokens save nothing: choose smaller"):
        model(torch.randn(1, 3, 64, 64))


def test_a_pre_hook_on_a_deep_block_is_told():
    model = vit()
    model.blocks[2].register_forward_pre_hook(lambda *_: None)
    with pytest.warns(UserWarning, match=r"^a forward pre-hook on block 2 of VisionTransformer may see clusters"):
        hourglass.apply(model, PLAN)
