from __future__ import annotations

import base64

import numpy as np
import pytest

from hourglass.bench.pictures.layers import decoded, difference, encoded, over, share
from hourglass.bench.report import exhibition as module
from hourglass.bench.report.exhibition import exhibition
from hourglass.bench.results.outcome import Outcome
from hourglass.bench.tables.content import Content

LAYER = np.zeros((6, 8, 4), np.uint8)
LAYER[:, 4:] = (10, 200, 30, 153)


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
