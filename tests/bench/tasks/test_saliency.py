"""Agreement of saliency with the untouched model's."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from hourglass.bench import tasks
from hourglass.bench.datasets import Sample
from hourglass.bench.tasks.saliency import SaliencyAgreement

TASK = SaliencyAgreement()


def sample(target: torch.Tensor, name: str = "0001") -> Sample:
    return Sample(0, torch.zeros(3, *target.shape, dtype=torch.uint8), target, name)


def scored(*pairs: tuple[torch.Tensor, torch.Tensor]) -> dict[str, float | None]:
    scorer = tasks.scorer(TASK, ())
    for prediction, target in pairs:
        scorer.add(prediction, sample(target))
    return scorer.values()


def test_a_model_agrees_with_itself_wholly_even_if_nothing_is_salient():
    assert scored((torch.rand(5, 7),) * 2) == {"agreement_cc": 1.0, "agreement_sim": 1.0}
    assert scored((torch.zeros(5, 7),) * 2) == {"agreement_cc": 1.0, "agreement_sim": 1.0}


def test_known_values():
    target = torch.tensor([[0.0, 0.2], [0.4, 0.4]])
    twice = scored((target / 2, target))
    assert twice["agreement_cc"] == pytest.approx(1.0)
    assert twice["agreement_sim"] == pytest.approx(1.0)
    reversed_ = scored((0.4 - target, target))
    assert reversed_["agreement_cc"] == pytest.approx(-1.0)
    # Shares (.667, .333, 0, 0) and (0, .2, .4, .4).
    assert reversed_["agreement_sim"] == pytest.approx(0.2)
    assert scored((torch.full((2, 2), 0.5), target))["agreement_cc"] == 0.0


def test_values_are_means_over_images_and_shards_give_the_same_digits():
    torch.manual_seed(0)
    pairs = [(torch.rand(6, 4), torch.rand(6, 4)) for _ in range(5)]
    whole = scored(*pairs)
    merged = tasks.scorer(TASK, ())
    for part in (pairs[:2], pairs[2:]):
        shard = tasks.scorer(TASK, ())
        for prediction, target in part:
            shard.add(prediction, sample(target))
        merged.merge(json.loads(json.dumps(shard.state())))
    assert merged.values() == whole
    assert tasks.scorer(TASK, ()).values() == {"agreement_cc": None, "agreement_sim": None}


def test_predictions_have_the_size_of_the_image_and_are_written_as_shades(tmp_path):
    (prediction,) = TASK.predict(torch.tensor([[[0.0, 1.0], [0.0, 1.0]]]), [(4, 4)], ())
    assert prediction.shape == (4, 4)
    TASK.writer(tmp_path / "maps", ()).add(torch.tensor([[0.0, 1.0], [0.2, 0.6]]), sample(torch.zeros(2, 2)))
    assert np.asarray(Image.open(tmp_path / "maps" / "0001.png")).tolist() == [[0, 255], [51, 153]]
