"""Models run by the frameworks they were published in: the project's interface around a framework's own model.

An engine says how a model is built, and what of its output is the task's raw output. All the rest, from data to
metrics, cost, timing and results, is the same code as for every other model. Each engine has a locked environment under
``envs/``, and imports its framework when a model is built.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.machinery import PathFinder
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from hourglass.errors import UserError, hint


@dataclass(frozen=True)
class Engine:
    """What an engine needs.

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


ENGINES: Mapping[str, Engine] = {
    "mmseg": Engine(
        ("mmcv", "mmengine", "mmseg"), "mmseg", distributions=("mmcv", "mmcv-lite", "mmengine", "mmsegmentation")
    ),
    "detectron2": Engine(("detectron2",), "detectron2"),
    "mask2former": Engine(("detectron2", "mask2former"), "detectron2", "facebookresearch/Mask2Former"),
    "maskdino": Engine(("detectron2", "maskdino"), "detectron2", "IDEA-Research/MaskDINO"),
    "detrex": Engine(("detectron2", "detrex"), "detectron2", "IDEA-Research/detrex"),
}


def missing(engine: str) -> str | None:
    """Why an engine cannot run here, in one line that names the environment that has it; None if it looks as if it can.

    Args:
        engine: One of `ENGINES`.
    """
    absent = next((package for package in _known(engine).packages if find_spec(package) is None), None)
    return absent and _refusal(engine, absent, "is not installed")


def require(engine: str) -> None:
    """Import an engine's framework.

    Args:
        engine: One of `ENGINES`.

    Raises:
        UserError: It cannot be imported; the message names the environment that has it.
    """
    for package in _known(engine).packages:
        try:
            import_module(package)
        except ImportError as error:
            raise UserError(_refusal(engine, package, f"cannot be imported ({error})")) from error


def versions(engine: str) -> dict[str, str]:
    """Installed versions of what is behind an engine's packages, by name.

    Args:
        engine: One of `ENGINES`.
    """
    wanted = _known(engine).distributions
    return {found.name: found.version for found in metadata.distributions() if found.name in wanted}


def _known(engine: str) -> Engine:
    if engine not in ENGINES:
        raise UserError(f"engine: unknown name '{engine}'; {hint(engine, list(ENGINES))}")
    return ENGINES[engine]


def _refusal(engine: str, package: str, what: str) -> str:
    known = ENGINES[engine]
    also = f", with a checkout of {known.checkout} on PYTHONPATH" if known.checkout else ""
    return (
        f"engine: '{engine}' needs {package}, which {what}; run in the environment of envs/{known.environment}.lock, "
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
        sys.modules.setdefault(module, _NotCompiled(module))


class _NotCompiled(ModuleType):
    """A module in which every name is a function that cannot be called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def absent(*_: Any, **__: Any) -> None:
            raise NotImplementedError(f"{self.__name__}.{name} is not compiled in this environment")

        return absent
