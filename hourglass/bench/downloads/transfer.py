"""One file over HTTP into a partial file, which the next attempt goes on with however this one ends."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hourglass.bench.downloads.space import require_space
from hourglass.bench.storage.files import write_json

if TYPE_CHECKING:
    from requests import Response, Session

ATTEMPTS = 6
"""So many in a row that bring nothing are enough."""
BACK_OFF = 1.0
"""Seconds before the second attempt; doubled before each one after it."""
TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and between two pieces of a file."""
CHUNK = 1 << 16
TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
"""Replies that may be others a moment later."""

Progress = Callable[[int, int | None], None]
"""Is told how many bytes are there, and of how many."""


class RefusedError(Exception):
    """This address does not give the file; another one may."""


class _BrokenOffError(Exception):
    """What came so far is good, and another attempt may bring more."""


def transfer(session: Session, url: str, part: Path, *, size: int | None, checked: bool, progress: Progress) -> bool:
    """Bring what is at ``url`` into the file ``part``, going on from what it holds already.

    Bytes of an earlier attempt are kept if they are known to be of the same file: because the server says so, or
    because the whole will be compared with a known hash in the end.

    Args:
        session: Of requests.
        url: http or https.
        part: The partial file; ``<part>.json`` beside it notes where its bytes came from.
        size: Bytes there must be in the end, if that is known.
        checked: Whether the caller knows what hash the file must have.
        progress: Called for every piece.

    Returns:
        Whether bytes of an earlier call are part of it.

    Raises:
        RefusedError: The address does not give the file, or too many attempts in a row brought nothing.
        UserError: The disk is full.
    """
    import requests

    resumed = _length(part) > 0
    most = _length(part)
    fruitless = 0
    while True:
        try:
            return _attempt(session, url, part, size, checked, progress) and resumed
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            reason = _reason(error)
        except _BrokenOffError as error:
            reason = str(error)
        except requests.RequestException as error:
            raise RefusedError(_reason(error)) from None
        fruitless = 0 if _length(part) > most else fruitless + 1
        most = max(most, _length(part))
        if fruitless == ATTEMPTS:
            raise RefusedError(f"{reason}, {ATTEMPTS} attempts")
        time.sleep(BACK_OFF * 2 ** max(fruitless - 1, 0))


def _attempt(session: Session, url: str, part: Path, size: int | None, checked: bool, progress: Progress) -> bool:
    """One request; whether the bytes there were have been kept."""
    have = _length(part)
    if have and have == size:
        return True
    headers = {"Accept-Encoding": "identity"}
    same = _validator(part, url)
    if have and (same or checked):
        headers["Range"] = f"bytes={have}-"
        if same:
            headers["If-Range"] = same
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == 416:
            if response.headers.get("Content-Range") == f"bytes */{have}":
                return True  # the last attempt was ended after its last byte
            part.unlink()
            raise _BrokenOffError("what was there did not fit")
        start = _accepted(response, have)
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdigit() else size
        if size is not None and total != size:
            raise RefusedError(f"offers {total} bytes where there should be {size}")
        with (
            require_space(part.parent, part.name, (total or start) - start),
            part.open("ab" if start else "wb") as file,
        ):
            if not start:
                _note(part, url, response)
            page = "text/html" in response.headers.get("Content-Type", "")
            for piece in response.iter_content(CHUNK):
                if page and not file.tell() and piece.lstrip().startswith(b"<"):
                    raise RefusedError("sent a web page in place of the file")
                file.write(piece)
                progress(file.tell(), total)
            file.flush()
            os.fsync(file.fileno())
    if total is not None and _length(part) < total:
        raise _BrokenOffError("the connection was closed early")
    if not _length(part):
        raise RefusedError("sent an empty file")
    return start > 0


def _accepted(response: Response, have: int) -> int:
    """From which byte on the reply is."""
    code = response.status_code
    if code in TRANSIENT:
        raise _BrokenOffError(f"{code} {response.reason}")
    if code not in (200, 206):
        raise RefusedError(f"{code} {response.reason}")
    if code == 200:
        return 0
    if not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
        raise RefusedError("sent another part of the file than was asked for")
    return have


def _note(part: Path, url: str, response: Response) -> None:
    tag = response.headers.get("ETag", "")
    strong = tag if tag.startswith('"') else response.headers.get("Last-Modified", "")
    write_json(_note_of(part), {"url": url, "validator": strong})


def _validator(part: Path, url: str) -> str:
    """What the server said of the file that ``part`` is the beginning of, if it came from the same address."""
    try:
        note: Any = json.loads(_note_of(part).read_text(encoding="utf-8"))
        return str(note["validator"]) if note["url"] == url else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


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
    return " ".join(str(cause).split()) or type(cause).__name__
