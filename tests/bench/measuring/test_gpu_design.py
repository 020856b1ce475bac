"""What the operators would launch on a GPU, and the document that says so."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hourglass.bench.measuring.gpu_design import (
    CARDS,
    PLANS,
    block_macs,
    device_seconds,
    eager_seconds,
    fused,
    operator_launches,
    saved_macs,
    table,
)
from hourglass.bench.measuring.launches import launches

DOCUMENT = Path(__file__).parents[3] / "docs" / "gpu-design.md"


def test_the_document_has_the_table():
    assert table() in DOCUMENT.read_text()


def test_views_launch_nothing_and_others_what_they_move():
    tokens = torch.empty(2, 30, 8, device="meta")
    found = launches(lambda: (tokens.transpose(1, 2).unsqueeze(0).expand(3, -1, -1, -1) + 1.0, torch.empty(9)))
    assert [(launch.operator, launch.kernels) for launch in found] == [("add", 1)]
    assert found[0].bytes == 4 * (480 + 3 * 480)  # What an expansion repeats is read once.
    assert found[0].macs == 0


def test_products_have_their_multiply_accumulates():
    tokens = torch.empty(2, 30, 8, device="meta")
    found = launches(lambda: ((tokens @ tokens.transpose(1, 2)).softmax(2) @ tokens).topk(3))
    assert [(launch.operator, launch.macs) for launch in found] == [
        ("bmm", 2 * 30 * 30 * 8),
        ("_softmax", 0),
        ("bmm", 2 * 30 * 30 * 8),
        ("topk", 0),
    ]
    assert [launch.kernels for launch in found] == [1, 1, 1, 2]


def test_a_block_and_what_clusters_save():
    assert block_macs(1, 1600, 1024, 1) == 12 * 1600 * 1024**2 + 2 * 1600**2 * 1024
    segmenter = PLANS[0]
    assert saved_macs(segmenter) == 14 * (block_macs(1, 1600, 1024, 1) - block_macs(1, 784, 1024, 1))


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name.split()[0])
@pytest.mark.parametrize("form", ["published", "residual"])
def test_no_form_is_faster_than_a_better_one(plan, form):
    found = operator_launches(plan, form)
    assert sum(launch.macs for launch in found) > 0
    assert sum(launch.macs for launch in fused(found)) == sum(launch.macs for launch in found)
    for card in CARDS:
        eager = eager_seconds(found, card, card.single)
        graph = device_seconds(found, card, card.single)
        tensor = device_seconds(found, card, card.tensor_single)
        assert eager >= graph >= tensor >= device_seconds(fused(found), card, card.tensor_single) > 0


def test_an_eager_clustering_stays_within_its_launches():
    published = operator_launches(PLANS[0], "published")
    assert sum(launch.kernels for launch in published) <= 100
    assert sum(launch.kernels for launch in operator_launches(PLANS[0], "residual")) <= 125
