"""One file over HTTP into a partial file, which the next attempt goes on with however this one ends.

Nothing a server says is believed where it can be checked: no file grows beyond its size, no part is taken for the
whole, and no reply is waited for forever. pooch and its like do not resume, and read until the server stops.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from hourglass.bench.downloads.messages import clean
from hourglass.bench.downloads.space import require_space
from hourglass.bench.storage.files import write_json

if TYPE_CHECKING:
    from requests import Response, Session

ATTEMPTS = 6
"""So many in a row that bring less than `CHUNK` are enough."""
BACK_OFF = 1.0
"""Seconds before the second attempt; doubled before each one after it."""
PATIENCE = 60.0
"""Seconds in which a reply, and after it every `CHUNK` bytes, must arrive."""
CHUNK = 1 << 18
LARGEST = 64_000_000_000
"""Bytes of a file of which no size is known."""
PAGES = (b"<!doctype html", b"<html", b"<head", b"<!--", b"<script")
"""How web pages begin."""
TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
"""Replies that may be others a moment later."""

Progress = Callable[[int, int | None], None]
"""Is told how many bytes are there, and of how many."""
T = TypeVar("T")


class MismatchError(Exception):
    """A file is not what it should be."""


class RefusedError(Exception):
    """This address does not give the file; another one may."""


class _BrokenOffError(Exception):
    """What came so far is good, and another attempt may bring more."""


class _StalledError(_BrokenOffError):
    """Somebody still waits for the server."""


def retrieve(
    session: Session,
    url: str,
    target: Path,
    *,
    size: int | None = None,
    most: int | None = None,
    checked: bool,
    check: Callable[[Path], None],
    progress: Progress = lambda done, total: None,
) -> None:
    """Make ``target`` the file at ``url``, whole and checked, by way of ``<target>.part``.

    Bytes of an earlier attempt are kept if they are known to be of the same file: because the server says so, or
    because the whole will be compared with a known hash in the end. A file that was put together and is not what it
    should be is tried once more in one piece.

    Args:
        session: Of requests.
        url: http or https.
        target: Its folder exists.
        size: Bytes there must be in the end, if that is known.
        most: Bytes there may be, if that is not known; `LARGEST` unless given.
        checked: Whether ``check`` knows what hash the file must have.
        check: Raises `MismatchError` for another file.
        progress: Called for every piece.

    Raises:
        RefusedError: The address does not give the file, or too many attempts in a row brought next to nothing.
        MismatchError: It gives another one.
        UserError: The disk is full.
    """
    part = target.with_name(f"{target.name}.part")
    while True:
        resumed = _transfer(session, url, part, size, most or LARGEST, checked, progress)
        try:
            check(part)
            break
        except MismatchError:
            part.unlink()
            if not resumed:
                raise
    os.replace(part, target)
    _note_of(part).unlink(missing_ok=True)


def _transfer(
    session: Session, url: str, part: Path, size: int | None, most: int, checked: bool, progress: Progress
) -> bool:
    """All attempts; whether bytes of an earlier call are part of the file."""
    import requests

    resumed = _length(part) > 0
    longest = _length(part)
    fruitless = 0
    while True:
        try:
            return _attempt(session, url, part, size, most, checked, progress) and resumed
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            reason = _reason(error)
        except _BrokenOffError as error:
            reason = str(error)
        except requests.RequestException as error:
            raise RefusedError(_reason(error)) from None
        fruitless = 0 if _length(part) >= longest + CHUNK else fruitless + 1
        longest = max(longest, _length(part))
        if fruitless == ATTEMPTS:
            raise RefusedError(f"{reason}, {ATTEMPTS} attempts")
        time.sleep(BACK_OFF * 2 ** max(fruitless - 1, 0))


def _attempt(
    session: Session, url: str, part: Path, size: int | None, most: int, checked: bool, progress: Progress
) -> bool:
    """One request; whether the bytes there were have been kept."""
    have, known = _length(part), _noted(part, url)
    if have and have == size:
        return True
    headers = {"Accept-Encoding": "identity"}
    if have and (known["validator"] or checked):
        headers["Range"] = f"bytes={have}-"
        if known["validator"]:
            headers["If-Range"] = known["validator"]
    response = _within(lambda: session.get(url, headers=headers, stream=True, timeout=PATIENCE))
    with ExitStack() as closing:
        closing.callback(response.close)
        if response.status_code == 416:
            if response.headers.get("Content-Range") == f"bytes */{have}" and (checked or have == known["total"]):
                return True  # the last attempt was ended after its last byte
            part.unlink(missing_ok=True)
            raise _BrokenOffError("what was there did not fit")
        start, total = _extent(response, part, have, known, size)
        if total is None and not checked and response.headers.get("Transfer-Encoding", "") != "chunked":
            raise RefusedError("does not say how long the file is, of which neither size nor hash are known")
        if (total or 0) > most and size is None:
            raise RefusedError(f"offers {total} bytes of a file of unknown size")
        with require_space(part.parent, part.name, (total or start) - start):
            if not start:
                _note(part, url, response, total)
            try:
                _write(response, part, start, most if total is None else total, total, progress)
            except _StalledError:
                closing.pop_all()  # closing would wait for the server too
                raise
    if total is not None and _length(part) < total:
        raise _BrokenOffError("the connection was closed early")
    if not _length(part):
        raise RefusedError("sent an empty file")
    return start > 0


def _write(response: Response, part: Path, start: int, most: int, total: int | None, progress: Progress) -> None:
    page = "text/html" in response.headers.get("Content-Type", "")
    pieces = response.iter_content(CHUNK)
    with part.open("ab" if start else "wb") as file:
        while piece := _within(lambda: next(pieces, b"")):
            begin = piece.removeprefix(codecs.BOM_UTF8).lstrip()[:15].lower()
            if not file.tell() and (begin.startswith(PAGES) or (page and begin[:1] == b"<")):
                raise RefusedError("sent a web page in place of the file")
            if file.tell() + len(piece) > most:
                raise RefusedError(f"sent more than the {most} bytes there should be at most")
            file.write(piece)
            progress(file.tell(), total)
        file.flush()
        os.fsync(file.fileno())


def _extent(
    response: Response, part: Path, have: int, known: dict[str, Any], size: int | None
) -> tuple[int, int | None]:
    """From which byte on the reply is, and how many the whole file has, if the server or the caller knows."""
    code = response.status_code
    if code in TRANSIENT:
        raise _BrokenOffError(clean(f"{code} {response.reason}"))
    if code not in (200, 206):
        raise RefusedError(clean(f"{code} {response.reason}"))
    length = response.headers.get("Content-Length", "")
    if code == 200:
        start, total = 0, int(length) if length.isdigit() else size
    else:
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", response.headers.get("Content-Range", ""))
        first, last, total = map(int, found.groups()) if found else (-1, -1, -1)
        if (first, last + 1) != (have, total) or (length.isdigit() and int(length) != total - have):
            raise RefusedError("sent another part of the file than was asked for")
        if (known["validator"] and _version(response) not in (known["validator"], "")) or (
            known["total"] not in (total, None)
        ):
            part.unlink()
            raise _BrokenOffError("the file is another one now")
        start = have
    if size is not None and total != size:
        raise RefusedError(f"offers {total} bytes where there should be {size}")
    return start, total


def _within(call: Callable[[], T]) -> T:
    """What ``call`` returns, unless it takes more than `PATIENCE`, as a server may send byte by byte forever.

    Timeouts of sockets are for each byte. The thread that waits in vain ends with the process at the latest.
    """
    done: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

    def run() -> None:
        try:
            done.put((call(), None))
        except BaseException as error:
            done.put((None, error))

    Thread(target=run, daemon=True).start()
    try:
        result, error = done.get(timeout=PATIENCE)
    except Empty:
        raise _StalledError(f"nothing, or next to nothing, came in {PATIENCE:g} seconds") from None
    if error is not None:
        raise error
    return result  # type: ignore[return-value]


def _version(response: Response) -> str:
    """What tells this version of the file from others, if the server says."""
    tag: str = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else str(response.headers.get("Last-Modified", ""))


def _note(part: Path, url: str, response: Response, total: int | None) -> None:
    write_json(_note_of(part), {"url": url, "validator": _version(response), "total": total})


def _noted(part: Path, url: str) -> dict[str, Any]:
    """What the server said of the file that ``part`` is the beginning of, if it came from the same address."""
    try:
        note: Any = json.loads(_note_of(part).read_text(encoding="utf-8"))
        if note["url"] == url:
            return {"validator": str(note["validator"]), "total": note.get("total")}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return {"validator": "", "total": None}


def _note_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _reason(error: Exception) -> str:
    """The innermost cause that says something, in a few words: requests wraps errors, and repeats addresses."""
    cause: BaseException = error
    while (inner := cause.__cause__ or cause.__context__ or getattr(cause, "reason", None)) and isinstance(
        inner, BaseException
    ):
        cause = inner
    return clean(cause) or type(cause).__name__
