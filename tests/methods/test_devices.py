"""The competing methods on a CUDA device that is pretended: all tokens stay there, and nothing waits."""

from __future__ import annotations

import pytest
import timm
import torch

from hourglass import methods

from ..fake_cuda import fake_cuda

SETTINGS = {
    "tome": {"r_percent": 30},
    "evit": {"keep_rate": 0.7, "blocks": [1, 2], "neighbors": 4, "temperature": 0.1},
}
FILLED = "fill_: works on cpu, cuda:0"
"""A number that is written into a slice: a kernel gets it as an argument, and nobody waits."""


@pytest.mark.parametrize("method", SETTINGS)
def test_a_pass_stays_on_the_device_and_waits_for_nothing(method):
    size = {"img_size": 48, "patch_size": 8, "embed_dim": 32, "depth": 4, "num_heads": 4, "num_classes": 0}
    model = timm.create_model("vit_tiny_patch16_224", **size, global_pool="").eval()
    model = methods.apply(method, model, SETTINGS[method]).to("meta")
    with torch.no_grad(), fake_cuda() as waits:
        model._apply(lambda value: torch.empty(value.shape, dtype=value.dtype, device="cuda"))
        tokens = model(torch.empty(2, 3, 48, 48, device="cuda"))
    assert (tokens.device.type, tuple(tokens.shape)) == ("cuda", (2, 37, 32))
    assert set(waits.found) <= {FILLED}
