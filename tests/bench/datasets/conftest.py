"""The paper's data sets, prepared from their archives in miniature."""

from __future__ import annotations

import pytest

from hourglass.bench import datasets, downloads

from . import miniatures


@pytest.fixture(scope="session")
def archives(tmp_path_factory):
    """Files by the id of their artifact."""
    return miniatures.build(tmp_path_factory.mktemp("archives"))


@pytest.fixture
def published(archives, monkeypatch):
    """What would be downloaded, and may be changed; data sets expect as many images as there are."""
    files = dict(archives)
    monkeypatch.setattr(downloads, "names", lambda: list(files))
    monkeypatch.setattr(downloads, "fetch", lambda artifact, root: files[artifact])
    monkeypatch.delenv("HOURGLASS_DATA", raising=False)
    for name, count in miniatures.COUNTS.items():
        monkeypatch.setattr(datasets.DATASETS.get(name), "images", count)
    return files


@pytest.fixture
def load(tmp_path, published):
    """Prepares a data set and loads it for a task, its first one unless another is named."""

    def prepared(name, task=None):
        datasets.prepare(name, root=tmp_path / "data")
        return datasets.open_split(name, task or datasets.DATASETS.get(name).tasks[0], root=tmp_path / "data")

    return prepared
