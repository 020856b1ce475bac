from __future__ import annotations

import pytest

from .cases import BY_NAME, CASES, Case


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", CASES, ids=lambda case: case.name)


@pytest.fixture(scope="session")
def by_name() -> dict[str, Case]:
    return BY_NAME
