"""Models run by the frameworks they were published in: the project's interface around a framework's own model.

A backend says how a model is built, and what of its output is the task's raw output. All the rest, from data to
metrics, cost, timing and results, is the same code as for every other model. Each backend has a locked environment in
``envs/``, and imports its framework when a model is built.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.machinery import PathFinder
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from hourglass.registry import Registry, UserError


@dataclass(frozen=True)
class Backend:
    """What a backend needs.

    Attributes:
        packages: That it imports, in this order.
        environment: Name of its lock under ``envs/``.
        checkout: Repository that is no package: a checkout of it has to be on PYTHONPATH.
        distributions: That may be behind the packages, by the names their versions are known under.
    """

    packages: tuple[str, ...]
    environment: str
    checkout: str | None = None
    distributions: tuple[str, ...] = ("detectron2",)


BACKENDS: Registry[Backend] = Registry(
    "backend",
    {
        "mmseg": Backend(
            ("mmcv", "mmengine", "mmseg"), "mmseg", distributions=("mmcv", "mmcv-lite", "mmengine", "mmsegmentation")
        ),
        "detectron2": Backend(("detectron2",), "detectron2"),
        "mask2former": Backend(("detectron2", "mask2former"), "detectron2", "facebookresearch/Mask2Former"),
        "maskdino": Backend(("detectron2", "maskdino"), "detectron2", "IDEA-Research/MaskDINO"),
        "detrex": Backend(("detectron2", "detrex"), "detectron2", "IDEA-Research/detrex"),
    },
)


def missing(backend: str) -> str | None:
    """Why a backend cannot run here, in one line that names the environment that has it; None if it looks as if it can.

    Args:
        backend: One of `BACKENDS`.
    """
    absent = next((package for package in BACKENDS.get(backend).packages if find_spec(package) is None), None)
    return absent and _refusal(backend, absent, "is not installed")


def require(backend: str) -> None:
    """Import a backend's framework.

    Args:
        backend: One of `BACKENDS`.

    Raises:
        UserError: It cannot be imported; the message names the environment that has it.
    """
    for package in BACKENDS.get(backend).packages:
        try:
            import_module(package)
        except ImportError as error:
            raise UserError(_refusal(backend, package, f"cannot be imported ({error})")) from error


def versions(backend: str) -> dict[str, str]:
    """Installed versions of what is behind a backend's packages, by name.

    Args:
        backend: One of `BACKENDS`.
    """
    wanted = BACKENDS.get(backend).distributions
    return {found.name: found.version for found in metadata.distributions() if found.name in wanted}


def _refusal(backend: str, package: str, what: str) -> str:
    known = BACKENDS.get(backend)
    also = f", with a checkout of {known.checkout} on PYTHONPATH" if known.checkout else ""
    return (
        f"backend: '{backend}' needs {package}, which {what}; run in the environment of envs/{known.environment}.lock, "
        f"which `make env-{known.environment}` makes{also}"
    )


def stand_in(module: str) -> None:
    """Let a framework be imported whose compiled operators are not there; whoever calls one of them is told so.

    Args:
        module: That has the operators. If there is one, nothing happens.
    """
    package = module.rpartition(".")[0]
    parent = find_spec(package) if package else None
    if PathFinder.find_spec(module, parent.submodule_search_locations if parent else None) is None:
        sys.modules.setdefault(module, NotCompiled(module))


class NotCompiled(ModuleType):
    """A module in which every name is a function that cannot be called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def absent(*_: Any, **__: Any) -> None:
            raise NotImplementedError(f"{self.__name__}.{name} is not compiled in this environment")

        return absent
