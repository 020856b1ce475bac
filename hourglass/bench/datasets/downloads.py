"""Public data, file by file, each with the SHA-256 it must have: an interrupted download goes on where it was."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

from hourglass.bench.downloads import offline
from hourglass.registry import UserError

MANIFESTS = Path(__file__).parent / "manifests"
CONNECTIONS = 8


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
        UserError: A file cannot be had, be it that `offline` forbids to, or is not what it should be.
    """
    if offline():
        return check(name, files, folder)
    import pooch
    import requests
    from rich.progress import track

    pooch.get_logger().setLevel("ERROR")
    registry = {path: f"sha256:{digest}" for path, digest in files.items()}
    source = pooch.create(path=folder, base_url=base_url, registry=registry, retry_if_failed=3)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        arrivals = pool.map(source.fetch, registry)
        try:
            for _ in track(arrivals, f"downloading {name}", total=len(registry), transient=True):
                pass
        except (requests.RequestException, ValueError, OSError) as error:
            pool.shutdown(cancel_futures=True)
            reason = " ".join(str(error).split())
            raise UserError(
                f"{name}: cannot be downloaded ({reason}); try again to go on from here, "
                f"or name a folder with your own copy in HOURGLASS_DATA"
            ) from error


def check(name: str, files: Mapping[str, str], folder: Path) -> None:
    """Compare files with what they must be.

    Raises:
        UserError: One is missing or differs.
    """
    for path, digest in files.items():
        file = folder / path
        if not file.is_file():
            raise UserError(f"{file}: missing; complete this copy of '{name}', or delete it to have it downloaded")
        if sha256(file.read_bytes()).hexdigest() != digest:
            raise UserError(f"{file}: is not the file of '{name}' (SHA-256 differs); restore it or delete it")
