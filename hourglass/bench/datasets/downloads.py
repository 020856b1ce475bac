"""Public data, file by file, each with the SHA-256 it must have: an interrupted download continues where it stopped."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from hourglass.bench.downloads import OWN_COPIES, offline
from hourglass.bench.downloads.messages import clean
from hourglass.bench.downloads.transfer import MismatchError, RefusedError, retrieve
from hourglass.bench.storage.files import digest
from hourglass.registry import UserError

MANIFESTS = Path(__file__).parent / "manifests"
CONNECTIONS = 8
LARGEST = 64_000_000
"""Bytes of a file, of which manifests say the hash alone."""


def manifest(name: str, split: str) -> dict[str, str]:
    """SHA-256 by path, of every file of a split; the files are in the format of ``sha256sum``."""
    lines = (MANIFESTS / f"{name}-{split}.sha256").read_text(encoding="utf-8").splitlines()
    return {path: digest for digest, path in (line.split("  ", 1) for line in lines)}


def download(name: str, base_url: str, files: Mapping[str, str], folder: Path) -> None:
    """Bring every file that is not there yet, or not as it should be, from ``base_url`` into ``folder``.

    Args:
        name: Of the data set, for messages.
        base_url: Ends with a slash.
        files: SHA-256 by path below ``base_url``, and below ``folder``.
        folder: Is made.

    Raises:
        UserError: A file cannot be obtained, be it that `offline` forbids to, or is not what it should be.
    """
    if offline():
        return check(name, files, folder)
    import requests
    from rich.progress import track

    def bring(path: str) -> None:
        target = folder / path
        if target.is_file() and digest(target) == files[path]:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        retrieve(session, base_url + path, target, most=LARGEST, checked=True, check=partial(_check, name, files[path]))

    with requests.Session() as session, ThreadPoolExecutor(CONNECTIONS) as pool:
        try:
            for _ in track(pool.map(bring, files), f"downloading {name}", total=len(files), transient=True):
                pass
        except (RefusedError, MismatchError, OSError) as error:
            pool.shutdown(cancel_futures=True)
            raise UserError(
                f"{name}: cannot be downloaded ({clean(error)}); try again to continue from here, "
                f"or name a folder with your own copy in {OWN_COPIES}"
            ) from error


def check(name: str, files: Mapping[str, str], folder: Path) -> None:
    """Compare files with what they must be.

    Raises:
        UserError: One is missing or differs.
    """
    for path, expected in files.items():
        file = folder / path
        if not file.is_file():
            raise UserError(f"{file}: missing; complete this copy of '{name}', or move it away to have it downloaded")
        try:
            _check(name, expected, file)
        except MismatchError as error:
            raise UserError(f"{error}; restore it or move it away") from None


def _check(name: str, expected: str, file: Path) -> None:
    if digest(file) != expected:
        raise MismatchError(f"{file}: is not the file of '{name}' (SHA-256 differs)")
