"""Attention in proportion to the tokens that a cluster stands for, where blocks take a mask for it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import CLIPVisionConfig, CLIPVisionModel, ViTConfig, ViTModel

import hourglass
from hourglass import Plan

PLAN = Plan(1, (3, 4), proportional_attention=True)
SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 4, "num_attention_heads": 2}
IMAGES = {"image_size": 48, "patch_size": 8}


def timm_vit(**settings: Any) -> VisionTransformer:
    torch.manual_seed(0)
    vit = VisionTransformer(
        img_size=48, patch_size=8, embed_dim=32, depth=4, num_heads=2, num_classes=0, reg_tokens=2, **settings
    )
    return vit.eval()


def hf_vit(**settings: Any) -> ViTModel:
    torch.manual_seed(0)
    return ViTModel(ViTConfig(**SIZES, **IMAGES, **settings), add_pooling_layer=False).eval()


def clip() -> CLIPVisionModel:
    torch.manual_seed(0)
    return CLIPVisionModel(CLIPVisionConfig(**SIZES, **IMAGES)).eval()


def tokens_of(output: Any) -> Tensor:
    tokens: Tensor = output if isinstance(output, Tensor) else output.last_hidden_state
    return tokens


def images(batch: int = 2) -> Tensor:
    torch.manual_seed(1)
    return torch.rand(batch, 3, 48, 48)


def reason(model: nn.Module, plan: Plan) -> str:
    """Why a plan is refused; empty if it is applied."""
    try:
        hourglass.apply(model, plan)
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.filterwarnings("ignore:.*save nothing")
@torch.no_grad()
def test_every_class_takes_it_or_says_that_its_blocks_take_no_mask(case):
    model, pictures = case.model(), case.images()
    before = case.run(model, pictures)
    limit = Plan(case.start, case.finest, sharpness=1e6, proportional_attention=True)
    if refusal := reason(model, limit):
        assert "take no attention mask: leave it out" in refusal
        assert not hourglass.is_applied(model)
        return
    for one, other in zip(case.run(model, pictures), before, strict=True):  # each cluster is one token
        assert torch.dist(one, other) <= 2e-5 * other.norm() + 1e-5
    hourglass.remove(model)
    hourglass.apply(model, case.plan(proportional_attention=True))
    together = case.run(model, pictures)
    assert [tensor.shape for tensor in together] == [tensor.shape for tensor in before]
    singles = [case.run(model, image[None]) for image in pictures]
    for all_, alone in zip(together, zip(*singles, strict=True), strict=True):
        torch.testing.assert_close(all_, torch.cat(alone), rtol=1e-3, atol=1e-4)
    hourglass.apply(hourglass.remove(model), case.plan())
    assert not all(map(torch.equal, case.run(model, pictures), together))


@pytest.mark.parametrize("make", [timm_vit, hf_vit, clip])
@pytest.mark.filterwarnings("ignore:a forward pre-hook")
@torch.no_grad()
def test_clusters_of_like_tokens_are_attended_to_as_those_tokens_were(make):
    """Where all tokens of a cell are the same, nothing is lost: softmax(q k + log size) counts each of them."""
    torch.manual_seed(2)
    cells = 3 * torch.randn(2, 32, 3, 4)
    alike = torch.nn.functional.interpolate(cells, size=(6, 6), mode="nearest").flatten(2).transpose(1, 2)

    def flatten_cells(module: nn.Module, args: Any, kwargs: Any) -> Any:
        tokens = args[0].clone()
        tokens[:, -36:] = alike
        return (tokens, *args[1:]), kwargs

    def outputs(plan: Plan | None) -> Tensor:
        model = make()
        blocks = next(module for name, module in model.named_modules() if name.endswith(("blocks", "layers")))
        blocks[1].register_forward_pre_hook(flatten_cells, with_kwargs=True)
        if plan is not None:
            hourglass.apply(model, plan)
        return tokens_of(model(images()))

    exact = outputs(None)
    torch.testing.assert_close(outputs(PLAN), exact, rtol=1e-4, atol=1e-5)
    assert torch.dist(outputs(Plan(1, (3, 4))), exact) > 1e-2


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@torch.no_grad()
def test_half_precision_and_autocast(dtype):
    expected = hourglass.apply(timm_vit(), PLAN)(images())
    half = hourglass.apply(timm_vit(), PLAN).to(dtype)(images().to(dtype))
    assert half.dtype == dtype
    with torch.autocast("cpu", dtype):
        mixed = hourglass.apply(timm_vit(), PLAN)(images())
    for got in (half, mixed):
        assert torch.dist(got.float(), expected) < 0.1 * expected.norm()


@torch.no_grad()
def test_it_compiles_and_exports_whole():
    model, pictures = hourglass.apply(timm_vit(), PLAN), images()
    expected = model(pictures)
    torch.testing.assert_close(torch.export.export(model, (pictures,)).module()(pictures), expected)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(pictures), expected)


def test_checkpointing_gives_the_same_gradients():
    def gradients(segments: bool) -> list[Tensor]:
        model = hourglass.apply(timm_vit(), PLAN).train()
        if segments:
            for block in model.blocks:
                forward = block.forward
                block.forward = lambda *args, _run=forward, **kw: checkpoint(_run, *args, use_reentrant=False, **kw)
        model(images()).square().mean().backward()
        return [parameter.grad for parameter in model.parameters() if parameter.grad is not None]

    for one, other in zip(gradients(True), gradients(False), strict=True):
        torch.testing.assert_close(one, other)


def test_what_cannot_take_it_is_refused_and_left_as_it_was():
    swin = SwinTransformer(img_size=32, patch_size=4, embed_dim=8, depths=(2,), num_heads=(1,), window_size=4)
    with pytest.raises(ValueError, match="blocks of class SwinTransformerBlock in SwinTransformer take no attention"):
        hourglass.apply(swin, Plan(1, (2, 2), proportional_attention=True))
    flexible = hf_vit(attn_implementation="flex_attention")
    with pytest.raises(ValueError, match=r"ViTModel \(flex_attention\) takes no mask .* attn_implementation='sdpa'"):
        hourglass.apply(flexible, PLAN)
    assert not hourglass.is_applied(swin)
    assert not hourglass.is_applied(flexible)


def test_a_callers_own_mask_is_refused_as_ever():
    model = hourglass.apply(timm_vit(), PLAN)
    with pytest.raises(ValueError, match="attention mask cannot follow"):
        model.forward_features(images(), attn_mask=torch.zeros(39, 39))
