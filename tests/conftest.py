"""What all tests share. The library's tests need no package of the bench, so nothing here does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from .web import Server

# The same examples in every run: a change that passes today passes tomorrow.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server().running() as made:
        yield made
