"""The Python environments that backends are installed in: ``.venv-<name>``, which ``make env-<name>`` makes.

Frameworks exclude each other, so a suite whose models need several of them runs each case in the environment of its
model's backend. Where the running interpreter has a backend's packages itself, no other environment is asked for.
"""

from __future__ import annotations

import os
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path

from hourglass.bench import backends


def interpreter(backend: str | None) -> Path | None:
    """The interpreter that a backend's models run in; None if it is the running one.

    Args:
        backend: One of `backends.BACKENDS`, or None for a model that needs no framework of its own.
    """
    if backend is None or all(find_spec(package) for package in backends.BACKENDS.get(backend).packages):
        return None
    return _elsewhere(backend)


def missing(backend: str) -> str | None:
    """Why a backend can run neither here nor in its environment, in one line; None if it looks as if it can.

    Args:
        backend: One of `backends.BACKENDS`.
    """
    return None if _elsewhere(backend) else backends.missing(backend)


def _elsewhere(backend: str) -> Path | None:
    needed = backends.BACKENDS.get(backend)
    python = Path(f".venv-{needed.environment}", "bin", "python").absolute()
    path = [str(folder) for folder in python.parents[1].glob("lib/python3*/site-packages")]
    path += [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    found = python.is_file() and all(PathFinder.find_spec(package, path) for package in needed.packages)
    return python if found else None
