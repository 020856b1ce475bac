"""Weights that come with the project are found in the clone, in a folder of the user's, and from an installed wheel."""

from __future__ import annotations

import json
from importlib import metadata

import pytest

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
    assert card.existing_weights(tmp_path / "data") == tmp_path / f"{NAME}.safetensors"


def test_in_the_clone_that_the_wheel_was_made_of(card, tmp_path, installed_from):
    clone = tmp_path / "my clone"
    folder = clone / "hourglass" / "bench" / "models" / "weights"
    folder.mkdir(parents=True)
    (folder / f"{NAME}.safetensors").touch()
    installed_from({"url": clone.as_uri(), "dir_info": {}})
    assert card.existing_weights(tmp_path / "data") == folder / f"{NAME}.safetensors"


@pytest.mark.parametrize(
    "origin", [{}, {"url": "https://example.org/hourglass.whl", "archive_info": {}}, {"url": "file:///x.whl"}]
)
def test_nowhere(card, tmp_path, installed_from, monkeypatch, origin):
    installed_from(origin)
    monkeypatch.delenv(weights.FOLDER, raising=False)
    with pytest.raises(UserError) as caught:
        card.existing_weights(tmp_path / "data")
    assert str(caught.value) == (
        f"{weights.IN_PACKAGE / NAME}.safetensors: the weights of '{NAME}' are missing; restore the file from the "
        f"repository, name the folder that has it in HOURGLASS_WEIGHTS, or run `hourglass train {NAME}`"
    )
