"""Each environment has what pyproject.toml asks for, in a version that fits; nothing has to be installed to see it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# transformers 5 needs a newer PyTorch than mmsegmentation, whose cases do without it.
LOCKS = [
    ("default", ("bench", "dev", "docs"), ()),
    ("mmseg", ("bench",), ("transformers",)),
    ("detectron2", ("bench",), ()),
]


def locked(environment: str) -> dict[str, list[Requirement]]:
    requirements: dict[str, list[Requirement]] = {}
    for line in (ROOT / "envs" / f"{environment}.lock").read_text().splitlines():
        if line := line.split("#")[0].strip():
            requirement = Requirement(line)
            requirements.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return requirements


@pytest.mark.parametrize(("environment", "extras", "without"), LOCKS)
def test_lock_has_every_requirement(environment: str, extras: tuple[str, ...], without: tuple[str, ...]) -> None:
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in PROJECT["optional-dependencies"][extra])]
    lock = locked(environment)
    for wanted in map(Requirement, lines):
        found = lock.get(canonicalize_name(wanted.name), [])
        assert found or wanted.name in without, f"envs/{environment}.lock has no {wanted.name}: run `make lock`"
        for pinned in found:
            for version in pinned.specifier:
                assert wanted.specifier.contains(version.version), f"envs/{environment}.lock: {pinned} is not {wanted}"
