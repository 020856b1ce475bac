"""Which code, weights, data, plan, machine and versions made a measurement: complete, or there is none."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from hourglass import methods
from hourglass.bench import backends, models
from hourglass.bench.datasets.base import fingerprint
from hourglass.bench.models.definition import ModelDefinition
from hourglass.bench.suites.case import Case
from hourglass.registry import UserError, included

PACKAGE = Path(__file__).parents[2]
COMMIT = "HOURGLASS_COMMIT"
"""Environment variable: the commit the code is from, where there is no git repository around it, as in an image."""
_REQUIRED_CONDITIONS = ("device", "threads", "attention", "data", "weights")


def provenance(case: Case, conditions: Mapping[str, Any]) -> dict[str, Any]:
    """Where a measurement comes from.

    Args:
        case: What was measured.
        conditions: As the measurement returned them.

    Raises:
        UserError: Something cannot be found out; the message says what would help.
        ValueError: A condition is missing.
    """
    for name in _REQUIRED_CONDITIONS:
        if name not in conditions:
            raise ValueError(f"conditions: '{name}' is missing; pass those of the measurement")
    known, dirty = commit()
    card = models.card(case.model)
    return {
        "commit": known,
        "dirty": dirty,
        "code": code_digest(),
        "packages": package_versions() | (backends.versions(card.backend) if card.backend else {}),
        **included_code(),
        "python": platform.python_version(),
        "machine": machine(conditions["device"]),
        "driver": _driver(conditions["device"]),
        "suite": case.suite,
        "suite_version": case.suite_version,
        "weights": conditions["weights"],
        "protocol": card.protocol,
        **_definitions(case),
        "settings": methods.resolve(case.method, case.settings),
        "precision": case.precision,
        "memory_format": case.memory_format,
        "batch": case.batch,
        "images": case.images,
        "seed": case.seed,
        **{name: conditions[name] for name in _REQUIRED_CONDITIONS},
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def require_provenance() -> None:
    """Make sure, before anything is measured, that a measurement can say where it comes from.

    Raises:
        UserError: Something cannot be found out; the message says what would help.
    """
    commit()
    package_versions()


def _definitions(case: Case) -> dict[str, Any]:
    """What the suite says of model and data set, where they are none of the project's."""
    found = dict(case.definitions)
    if "model" in found:
        found["model"] = ModelDefinition.resolved(found["model"])
    return {"definitions": found} if found else {}


@cache
def code_digest() -> str:
    """SHA-256 over the package's Python files: equal for equal code, whatever the commit."""
    return fingerprint(PACKAGE.rglob("*.py"), PACKAGE)


@cache
def included_code() -> dict[str, str]:
    """Under ``included``: SHA-256 over the files of the user's folders; nothing where there are none."""
    digests = [fingerprint(folder.rglob("*.py"), folder) for folder in included()]
    return {"included": sha256("".join(digests).encode()).hexdigest()} if digests else {}


@cache
def package_versions() -> dict[str, str]:
    """Installed versions of everything this package may import, by name."""
    try:
        required = metadata.requires("hourglass") or []
    except metadata.PackageNotFoundError:
        raise UserError("provenance: the package is not installed; run `pip install -e '.[bench]'`") from None
    wanted = (line for line in required if "dev" not in line.partition("extra")[2])
    names = {re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in wanted}
    return {name: version for name in sorted(names) if (version := _version(name))}


def machine(device: str) -> str:
    """Name of the CUDA device, or processor, number of cores, vector instructions and system."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{_processor()}, {os.cpu_count()} cores, {capability}, {platform.system()}"


def _processor() -> str:
    """As the system calls it, architecture if it does not."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _driver(device: str) -> str | None:
    """Versions of driver, CUDA and cuDNN; None on a CPU, which needs no driver."""
    if not device.startswith("cuda"):
        return None
    driver = torch._C._cuda_getDriverVersion()  # type: ignore[attr-defined]
    return f"driver {driver}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"


@cache
def commit() -> tuple[str, bool]:
    """Commit of the code, and whether the code differs from it.

    Raises:
        UserError: Git cannot tell.
    """
    if given := os.environ.get(COMMIT):
        return given, False
    try:
        return _git("rev-parse", "HEAD"), bool(_git("status", "--porcelain", "--", "."))
    except (OSError, subprocess.CalledProcessError) as error:
        reason = " ".join(str(getattr(error, "stderr", "") or error).split())
        raise UserError(f"provenance: unknown commit ({reason}); run from a git clone or set {COMMIT}") from error


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=PACKAGE, check=True, capture_output=True, text=True).stdout.strip()
