"""A head on tokens: they are computed once, its loss falls, and its standardisation becomes part of it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from hourglass.bench.datasets import Sample
from hourglass.bench.datasets.base import IGNORED
from hourglass.bench.training import RECIPES
from hourglass.bench.training.photos import Photos
from hourglass.bench.training.tokens import TokenClasses

ROWS, COLUMNS, CHANNELS = 30, 40, 1536
NAME = "dinov2-camvid"


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Two photographs: class 0 above class 1 above class 2, and nothing known at the left edge."""
    target = (torch.arange(360)[:, None] // 120).expand(360, 480).clone()
    target[:, :12] = IGNORED
    image = torch.zeros(3, 360, 480, dtype=torch.uint8)
    monkeypatch.setattr(Photos, "samples", [Sample(number, image, target) for number in range(2)])
    return Photos("camvid", "semantic-segmentation", tmp_path)


def test_shares_are_those_of_the_cells(photos):
    shares = TokenClasses(NAME, photos, batch=1).shares
    assert shares.shape == (2, 11, 4 * ROWS, 4 * COLUMNS)
    assert shares[:, :, :, :4].sum() == 0
    assert (shares[:, 0, :40, 4:] == 1).all()
    assert (shares[:, 1, 40:80, 4:] == 1).all()
    assert shares.sum() == 2 * 120 * 156


def test_tokens_are_computed_once(photos, monkeypatch):
    seen = []

    def tokens(images):
        seen.append(images.shape)
        return torch.full((1, 6, 4), float(len(seen)))

    monkeypatch.setattr(TokenClasses, "_model", SimpleNamespace(tokens=tokens))
    first = TokenClasses(NAME, photos, batch=1).tokens
    assert first.dtype == torch.float16
    assert first[:, 0, 0].tolist() == [1, 2]
    (photos.root / "training-tokens" / NAME / "1.npy").unlink()
    assert TokenClasses(NAME, photos, batch=1).tokens[:, 0, 0].tolist() == [1, 3]
    assert seen == [(1, 3, 360, 480)] * 3


def test_the_recipe_lowers_its_loss_and_keeps_a_head_for_tokens_as_they_are(photos, tmp_path):
    torch.manual_seed(0)
    recipe = RECIPES.get(NAME)
    model, objective = recipe.build(), recipe.stages(tmp_path)[0].objective
    objective.batch = 2
    objective.tokens = (3 + 2 * torch.randn(2, ROWS * COLUMNS, CHANNELS)).half()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(4):
        optimizer.zero_grad()
        loss = objective(model, np.random.default_rng(0))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]

    model.eval()
    tokens = objective.tokens[:1].float()
    with torch.inference_mode():
        torch.testing.assert_close(
            recipe.keep(model)["head"](tokens, (ROWS, COLUMNS)), model(tokens), rtol=0, atol=1e-3
        )
