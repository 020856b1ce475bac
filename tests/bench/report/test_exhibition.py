from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hourglass.bench.pictures.layers import decoded, difference, encoded, over, share
from hourglass.bench.report import exhibition as module
from hourglass.bench.report.exhibition import exhibition
from hourglass.bench.report.headline import highlight
from hourglass.bench.report.page import render
from hourglass.bench.results.outcome import Outcome
from hourglass.bench.suites.suite import Suite
from hourglass.bench.tables.content import Content

LAYER = np.zeros((6, 8, 4), np.uint8)
LAYER[:, 4:] = (10, 200, 30, 153)
AGREEMENT = """\
name: agreement
version: 1
title: Without labels
experiments:
  - task: saliency-agreement
    model: dinov2-saliency
    dataset: camvid
    accuracy: { metric: agreement_cc, floor: 1.0, tolerance: 0.002 }
    methods:
      hourglass:
        mild: { start: 6, clusters: [20, 26] }
"""


def test_layers_are_kept_to_the_last_pixel():
    assert (decoded(encoded(LAYER)) == LAYER).all()
    large = decoded(encoded(np.zeros((600, 1200, 3), np.uint8), photo=True))
    assert large.shape == (256, 512, 4)


@pytest.mark.parametrize("text", ["", "no base64!", base64.b64encode(b"<svg onload=alert(1)>").decode()])
def test_what_is_no_picture_is_refused(text):
    with pytest.raises(ValueError, match="no picture"):
        decoded(text)


def test_differences_are_exact():
    other = LAYER.copy()
    other[0, 0] = (1, 2, 3, 0)
    assert share(difference(LAYER, other)) == 0, "what is transparent has no colour"
    other[0, 4:] = (10, 199, 30, 153)
    assert share(difference(LAYER, other)) == 4 / 48
    assert difference(LAYER, other, gradual=True)[0, 4, 3] == 3
    assert over(np.full((6, 8, 3), 100, np.uint8), LAYER)[0, 4].tolist() == [46, 160, 58]


def test_images_are_shown_by_plan_the_greatest_loss_first(outcome: Outcome, galleries: dict):
    shown = exhibition(Content(outcome), galleries)
    first = shown.wings[0]
    assert [room.case.plan for room in first.rooms] == ["mild", "strong"]
    assert first.shown == first.rooms[0].case.id, "the fastest that keeps enough is seen first"
    assert [(shot.name, shot.change) for shot in first.rooms[1].shots] == [
        ("photo1", "−20.0 points"), ("photo0", "−10.0 points")
    ]  # fmt: skip
    shots = [shot for wing in shown.wings for room in wing.rooms for shot in room.shots]
    used = {key for s in shots for key in (s.image, s.truth, s.baseline, s.plan, s.difference, s.clusters)}
    assert used == set(shown.pictures)


def test_the_plan_of_the_headline_is_seen_first_even_if_none_keeps_enough(outcome: Outcome, galleries: dict) -> None:
    records = [
        record.model_copy(update={"values": {**record.values, "miou": 0.6}})
        if record.case.plan == "mild" and record.measurement == "accuracy"
        else record
        for record in outcome.records
    ]
    content, experiment = Content(replace(outcome, records=records)), outcome.suite.experiments[0]
    assert content.fastest_that_keeps(0.99, experiment.id) is None
    shown = exhibition(content, galleries)
    named = highlight(experiment, content, shown).case
    assert named is not None
    assert (named.plan, shown.wings[0].shown) == ("strong", named.id)


def test_targets_are_called_what_the_task_calls_them(outcome: Outcome, galleries: dict, tmp_path: Path) -> None:
    page = render(outcome, [], galleries)
    assert "<figcaption>ground truth</figcaption>" in page
    assert "untouched model" not in page
    (tmp_path / "agreement.yaml").write_text(AGREEMENT)
    suite = Suite.read(tmp_path / "agreement.yaml")
    stored = {case.id: galleries[of.id] for case, of in zip(suite.cases, outcome.suite.cases, strict=False)}
    page = render(Outcome(suite, [], suite.metrics()), [], stored)
    assert "<figcaption>untouched model</figcaption>" in page
    assert "ground truth" not in page.lower()


def test_damaged_pictures_are_left_out(outcome: Outcome, galleries: dict):
    case = outcome.suite.cases[1].id
    broken = galleries[case][0].model_copy(update={"pictures": {"prediction": '"><script>'}})
    empty = galleries[case][1].model_copy(update={"pictures": {}, "error": "could not be drawn"})
    shown = exhibition(Content(outcome), {**galleries, case: (broken, empty)})
    assert [room.case.plan for room in shown.wings[0].rooms] == ["strong"]
    assert not exhibition(Content(outcome), {}).wings


def test_pictures_keep_to_the_room_there_is(outcome: Outcome, galleries: dict, monkeypatch):
    whole = exhibition(Content(outcome), galleries)
    monkeypatch.setattr(module, "MOST_BYTES", whole.bytes - 1)
    fewer = exhibition(Content(outcome), galleries)
    assert 0 < fewer.bytes < whole.bytes
    assert fewer.left_out.startswith("For want of room")
    monkeypatch.setattr(module, "MOST_BYTES", 1)
    assert not exhibition(Content(outcome), galleries).wings
