"""Predictions where the model ran: maps of numbers without waiting, and lists of objects the same as on the CPU."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from hourglass.bench import tasks
from hourglass.bench.datasets.base import Category

from ...fake_cuda import fake_cuda

CATEGORIES = [Category(index + 1, f"class {index}", index < 2, (0, 0, 0)) for index in range(4)]
SIZES = [(24, 32), (20, 20)]


def mask_queries(device: str, columns: int = 5) -> Any:
    classes, masks = (
        5 * torch.randn(*shape, generator=torch.Generator().manual_seed(0)) for shape in ((2, 6, columns), (2, 6, 6, 8))
    )
    return SimpleNamespace(class_queries_logits=classes.to(device), masks_queries_logits=masks.to(device))


@pytest.mark.parametrize(
    ("task", "output"),
    [
        ("semantic-segmentation", lambda: torch.empty(2, 4, 6, 8, device="cuda", dtype=torch.bfloat16)),
        (
            "semantic-segmentation",
            lambda: SimpleNamespace(
                class_queries_logits=torch.empty(2, 6, 5, device="cuda"),
                masks_queries_logits=torch.empty(2, 6, 6, 8, device="cuda"),
            ),
        ),
        ("depth-estimation", lambda: torch.empty(2, 12, 16, device="cuda", dtype=torch.float16)),
    ],
    ids=["logits", "mask queries", "depth"],
)
def test_maps_stay_on_the_device_and_wait_for_nothing(task, output):
    with fake_cuda() as waits:
        predictions = tasks.get(task).predict(output(), SIZES, CATEGORIES)
    assert waits.found == []
    assert [(str(value.device.type), tuple(value.shape)) for value in predictions] == [("cuda", size) for size in SIZES]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("task", ["semantic-segmentation", "instance-segmentation", "panoptic-segmentation"])
def test_a_cuda_device_predicts_what_the_cpu_predicts(task):
    chosen = tasks.get(task)
    for got, want in zip(*(chosen.predict(mask_queries(d), SIZES, CATEGORIES) for d in ("cuda", "cpu")), strict=True):
        for one, other in zip(parts(got), parts(want), strict=True):
            torch.testing.assert_close(one.cpu(), other)


def parts(prediction: Any) -> list[torch.Tensor]:
    values = [prediction] if isinstance(prediction, torch.Tensor) else vars(prediction).values()
    return [value for value in values if isinstance(value, torch.Tensor)]
