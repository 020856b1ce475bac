"""Where there are no labels, the untouched model's own predictions are the targets."""

from __future__ import annotations

from pathlib import Path

import torch

from hourglass.bench import datasets, models
from hourglass.bench.measuring import cases
from hourglass.bench.models.dinov2 import SaliencyEstimator
from hourglass.bench.suites.suite import Suite

EXPERIMENT = """
name: own
version: 1
title: Agreement
precision: float32
seed: 0
experiments:
  - task: saliency-agreement
    model: dinov2-saliency
    dataset: camvid
    images: 2
    batch: 1
    accuracy: { metric: agreement_cc, floor: 1.0, tolerance: 0.002 }
    methods:
      hourglass:
        mild: { start: 9, clusters: [5, 6] }
        strong: { start: 2, clusters: [2, 2] }
"""


class _Scenes:
    """Pictures in place of photographs."""

    name, split, fingerprint, categories = "camvid", "test", "0" * 64, datasets.DATASETS.get("camvid").categories

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> datasets.Sample:
        generator = torch.Generator().manual_seed(index)
        image = torch.randint(0, 256, (3, 168, 224), dtype=torch.uint8, generator=generator)
        return datasets.Sample(index, image, None, str(index))


def test_agreement_is_whole_untouched_and_falls_with_the_strength_of_a_plan(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(datasets, "open_split", lambda *_, **__: _Scenes())
    monkeypatch.setattr(models, "build", lambda *_, **__: SaliencyEstimator(0.5).eval())
    monkeypatch.setattr(cases, "_weights", lambda *_: "0" * 64)
    file = tmp_path / "own.yaml"
    file.write_text(EXPERIMENT)
    found = [cases.accuracy(case, tmp_path)["values"]["agreement_cc"] for case in Suite.read(str(file)).cases]
    assert found[0] == 1.0
    assert 1.0 > found[1] > found[2]
