"""Small models of each family, weights in the published key layouts, and what the original code makes of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from . import small as originals


@pytest.fixture(scope="session")
def small():
    """By layout: the small model that its golden file is about."""
    return lambda layout: originals.MODELS[layout]().eval()


@pytest.fixture(scope="session")
def golden():
    return originals.golden


@pytest.fixture(scope="session")
def shapes():
    return originals.shapes


@pytest.fixture(scope="session")
def state():
    return originals.state


@pytest.fixture(scope="session")
def images():
    return lambda height, width: torch.from_numpy(np.random.RandomState(1).uniform(size=(2, 3, height, width))).float()
