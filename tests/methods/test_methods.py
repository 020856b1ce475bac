"""Methods by name, and their settings in full."""

from __future__ import annotations

import pytest
from torch import nn

from hourglass import methods
from hourglass.registry import UserError


def test_the_baseline_is_the_very_same_model():
    model = nn.Linear(2, 2)
    assert methods.apply("baseline", model, {}) is model
    assert methods.resolve("baseline", {}) == {}


def test_defaults_are_filled_in_as_plain_data():
    found = methods.resolve("hourglass", {"start": 3, "clusters": [2, 4]})
    assert found["clusters"] == [2, 4]
    assert (found["start"], found["iterations"], found["semantics"]) == (3, 5, "official")


@pytest.mark.parametrize(
    ("method", "settings", "expected"),
    [
        ("baseline", {"start": 3}, "method 'baseline': has no setting 'start'"),
        ("hourglass", {"clusters": [2, 2]}, "method 'hourglass': setting 'start' is missing"),
        ("hourglass", {"strat": 3, "clusters": [2, 2]}, "unknown setting 'strat'; did you mean 'start'"),
        ("hourglass", {"start": 3, "clusters": [2, 2], "window": 4}, "window must be odd"),
        ("hourglas", {}, "did you mean 'hourglass'"),
    ],
)
def test_wrong_settings_are_one_line(method, settings, expected):
    for use in (lambda: methods.resolve(method, settings), lambda: methods.apply(method, nn.Linear(2, 2), settings)):
        with pytest.raises(UserError, match=expected) as caught:
            use()
        assert "\n" not in str(caught.value)


def test_a_model_that_cannot_be_changed_is_one_line():
    with pytest.raises(UserError, match="method 'hourglass': Linear"):
        methods.apply("hourglass", nn.Linear(2, 2), {"start": 0, "clusters": [2, 2]})
