"""The stage in which the plan starts, against the same stage walked window by window, with blocks built for clusters.

Semantics `paper`, where such blocks need no other mask than their own.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from timm.models.swin_transformer import SwinTransformerBlock
from timm.models.swin_transformer_v2 import SwinTransformerV2Block
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Swinv2Config
from transformers.models.swinv2.modeling_swinv2 import Swinv2Layer

import hourglass
from hourglass import Plan
from hourglass.operators import cluster, reconstruct

from ..releases import newer

WINDOW = 4
Size = tuple[int, int]


def walked(tokens: Tensor, plan: Plan, blocks: Callable[[Tensor], Tensor]) -> Tensor:
    """(B, H, W, C) through the hourglass, one window after the other."""
    _, height, width, channels = tokens.shape
    rows, columns = -(-height // WINDOW), -(-width // WINDOW)
    padded = F.pad(tokens, (0, 0, 0, columns * WINDOW - width, 0, rows * WINDOW - height))
    small = padded.new_zeros(len(tokens), rows * plan.clusters[0], columns * plan.clusters[1], channels)
    known = {}
    for window, inside, outside in places(rows, columns, plan.clusters):
        known[window] = before = padded[inside].flatten(1, 2)
        centers = cluster(before, (WINDOW, WINDOW), plan.clusters, temperature=plan.temperature, semantics="paper")
        small[outside] = centers.unflatten(1, plan.clusters)
    refined, whole = blocks(small), padded.clone()
    for window, inside, outside in places(rows, columns, plan.clusters):
        after, centers, before = refined[outside].flatten(1, 2), small[outside].flatten(1, 2), known[window]
        options = {"neighbors": plan.neighbors, "temperature": plan.temperature}
        whole[inside] = reconstruct(after, before, centers, **options, semantics="paper").unflatten(1, (WINDOW, WINDOW))
    return whole[:, :height, :width]


def places(rows: int, columns: int, clusters: Size):
    for row in range(rows):
        for column in range(columns):
            yield (
                (row, column),
                *(
                    (slice(None), slice(row * h, (row + 1) * h), slice(column * w, (column + 1) * w))
                    for h, w in ((WINDOW, WINDOW), clusters)
                ),
            )


def of_timm_v1(block: nn.Module, place: int, clusters: Size) -> nn.Module:
    shift = (clusters[0] // 2, clusters[1] // 2) if place % 2 else 0
    small = SwinTransformerBlock(32, (99, 99), 4, window_size=clusters, shift_size=shift, dynamic_mask=True)
    weights = block.state_dict()
    table = weights["attn.relative_position_bias_table"].T.reshape(1, 4, 7, 7)
    table = F.interpolate(table, (2 * clusters[0] - 1, 2 * clusters[1] - 1), mode="bilinear")
    weights["attn.relative_position_bias_table"] = table.flatten(2)[0].T
    small.load_state_dict(weights)
    return small.eval()


def pretrained(clusters: Size) -> tuple[float, float]:
    # Offsets are divided by (this - 1): so that one cluster is 4 / h tokens of a window of 4, scaled by 4 - 1.
    return 1 + 3 * clusters[0] / 4, 1 + 3 * clusters[1] / 4


def of_timm_v2(block: nn.Module, place: int, clusters: Size) -> nn.Module:
    shift = (clusters[0] // 2, clusters[1] // 2) if place % 2 else 0
    small = SwinTransformerV2Block(
        32, (99, 99), 4, window_size=clusters, shift_size=shift, dynamic_mask=True,
        pretrained_window_size=pretrained(clusters),
    )  # fmt: skip
    small.load_state_dict(block.state_dict())
    return small.eval()


def of_transformers_v2(block: nn.Module, place: int, clusters: Size) -> nn.Module:
    shift, config = clusters[0] // 2 if place % 2 else 0, Swinv2Config(window_size=clusters[0])
    small = Swinv2Layer(config, 32, (99, 99), 4, 0.0, shift, pretrained(clusters))
    small.load_state_dict(block.state_dict())
    return small.eval()


@newer
@pytest.mark.parametrize("first", [0, 1, 3])
@pytest.mark.parametrize(
    ("name", "build", "clusters"),
    [
        ("timm-swin", of_timm_v1, (3, 2)),
        ("timm-swinv2", of_timm_v2, (3, 2)),
        ("timm-swinv2", of_timm_v2, (2, 4)),
        ("Swinv2Model", of_transformers_v2, (3, 3)),
        ("Swinv2Model", of_transformers_v2, (2, 2)),
    ],
)
@torch.no_grad()
def test_a_stage_is_its_windows_one_by_one(name, build, clusters, first, by_name):
    model, timm = by_name[name].model(), name.startswith("timm")
    plan = Plan(2 + first, clusters, temperature=0.2, neighbors=3, semantics="paper", form="published")
    stage = model.layers[1] if timm else model.encoder.layers[1]
    if timm:
        stage.downsample = nn.Identity()
    tokens = torch.randn(2, 9, 14, 32, generator=torch.Generator().manual_seed(0))

    def through(blocks: list[nn.Module], tokens: Tensor) -> Tensor:
        for block in blocks:
            tokens = block(tokens) if timm else block(tokens.flatten(1, 2), tokens.shape[1:3])[0].reshape(tokens.shape)
        return tokens

    small = [build(block, place, clusters) for place, block in enumerate(stage.blocks)][first:]
    expected = walked(through(list(stage.blocks)[:first], tokens), plan, lambda tokens: through(small, tokens))
    hourglass.apply(model, plan)
    output = stage(tokens) if timm else stage(tokens.flatten(1, 2), (9, 14))[1].reshape(tokens.shape)
    torch.testing.assert_close(output, expected, rtol=1e-4, atol=1e-4)
