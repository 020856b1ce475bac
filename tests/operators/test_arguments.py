"""Every wrong argument is named, in one line."""

from __future__ import annotations

import pytest
import torch

from hourglass.operators import Cluster, Reconstruct, cluster, reconstruct, reconstruction_weights, relative_temperature

TOKENS = torch.zeros(2, 12, 4)
CENTERS = torch.zeros(2, 6, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"grid": (3, 5)}, "grid: 3 x 5 is 15 tokens, but `tokens` has 12"),
        ({"grid": 12}, "grid: must be two positive integers"),
        ({"grid": (12,)}, "grid: must be two positive integers"),
        ({"grid": (-3, -4)}, "grid: must be two positive integers"),
        ({"grid": (3.0, 4.0)}, "grid: must be two positive integers"),
        ({"clusters": (4, 4)}, "clusters: 4 x 4 is 16 centers, more than the 12 tokens"),
        ({"clusters": (0, 4)}, "clusters: must be two positive integers"),
        ({"clusters": (True, 4)}, "clusters: must be two positive integers"),
        ({"window": 4}, "window: must be odd, so that it has a middle cell, got 4; try 5"),
        ({"window": 0}, "window: must be an integer of at least 1, got 0"),
        ({"window": 5.0}, "window: must be an integer of at least 1, got 5.0"),
        ({"iterations": -1}, "iterations: must be an integer of at least 0, got -1"),
        ({"temperature": 0}, "temperature: must be a positive number"),
        ({"temperature": float("nan")}, "temperature: must be a positive number"),
        ({"temperature": "warm"}, "temperature: must be a positive number"),
        ({"temperature": torch.ones(3)}, r"temperature: .* each of the 2 batch elements, got torch.float32 \(3,\)"),
        ({"temperature": torch.tensor(1.0)}, r"temperature: a tensor must hold .*, got torch.float32 \(\)"),
        ({"temperature": torch.ones(2).int()}, r"temperature: a tensor must hold .*, got torch.int32 \(2,\)"),
        ({"temperature": torch.ones(2, device="meta")}, "temperature: is on meta, but `tokens` is on cpu"),
        ({"semantics": "mine"}, "semantics: must be one of official, paper, got 'mine'"),
        ({"tokens": TOKENS[0]}, r"tokens: must be a floating point tensor \(batch, height \* width, channels\)"),
        ({"tokens": TOKENS.long()}, r"tokens: .* got torch.int64 \(2, 12, 4\)"),
        ({"tokens": [[1.0]]}, "tokens: .* got list"),
        ({"tokens": TOKENS[:, :, :0]}, r"tokens: must not be empty, got shape \(2, 12, 0\)"),
    ],
)
def test_cluster(change, message):
    arguments = {"tokens": TOKENS, "grid": (3, 4), "clusters": (2, 3)} | change
    with pytest.raises(ValueError, match=f"^{message}") as raised:
        cluster(arguments.pop("tokens"), **arguments)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"refined": torch.zeros(2, 5, 7)}, r"refined: shape \(2, 5, 7\) does not go with 6 centers in a batch of 2"),
        ({"refined": torch.zeros(1, 6, 7)}, "refined: shape"),
        ({"refined": torch.zeros(6, 7)}, "refined: must be a floating point tensor"),
        (
            {"centers": torch.zeros(2, 6, 3)},
            r"centers: shape \(2, 6, 3\) does not go with tokens of shape \(2, 12, 4\)",
        ),
        ({"centers": torch.zeros(1, 6, 4)}, "centers: shape"),
        ({"centers": torch.zeros(2, 0, 4)}, "centers: must not be empty"),
        ({"tokens": TOKENS.int()}, "tokens: must be a floating point tensor"),
        ({"neighbors": 0}, "neighbors: must be an integer of at least 1, got 0"),
        ({"neighbors": 2.5}, "neighbors: must be an integer of at least 1, got 2.5"),
        ({"temperature": -0.02}, "temperature: must be a positive number"),
        ({"temperature": torch.ones(2, 1)}, "temperature: a tensor must hold a floating point number for each"),
        ({"semantics": None}, "semantics: must be one of official, paper, got None"),
    ],
)
def test_reconstruct(change, message):
    arguments = {"refined": torch.zeros(2, 6, 7), "tokens": TOKENS, "centers": CENTERS} | change
    with pytest.raises(ValueError, match=f"^{message}") as raised:
        reconstruct(**arguments)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"grid": (3, 5)}, "grid: 3 x 5 is 15 tokens, but `tokens` has 12"),
        ({"clusters": (4, 4)}, "clusters: 4 x 4 is 16 centers, more than the 12 tokens"),
        ({"sharpness": 0}, "sharpness: must be a positive number, got 0"),
        ({"sharpness": float("inf")}, "sharpness: must be a positive number, got inf"),
        ({"windows": 0}, "windows: must be an integer of at least 1, got 0"),
        ({"windows": 3}, "windows: a batch of 2 is no whole number of images of 3 windows"),
    ],
)
def test_relative_temperature(change, message):
    arguments = {"tokens": TOKENS, "grid": (3, 4), "clusters": (2, 3)} | change
    with pytest.raises(ValueError, match=f"^{message}") as raised:
        relative_temperature(**arguments)
    assert "\n" not in str(raised.value)


def test_weights_check_each_map():
    weights = reconstruction_weights(TOKENS, CENTERS)
    assert weights(torch.zeros(2, 6, 1)).shape == (2, 12, 1)
    with pytest.raises(ValueError, match=r"^refined: shape \(2, 7, 1\) does not go with 6 centers"):
        weights(torch.zeros(2, 7, 1))


def test_modules_check_what_they_are_given():
    with pytest.raises(ValueError, match=r"^window: must be odd"):
        Cluster((2, 3), window=2)(TOKENS, (3, 4))
    with pytest.raises(ValueError, match=r"^neighbors: must be"):
        Reconstruct(neighbors=0)(torch.zeros(2, 6, 7), TOKENS, CENTERS)
