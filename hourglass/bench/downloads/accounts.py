"""Sites that give their files to those alone who have an account there: Cityscapes.

User name and password come from the environment, or from where ``csDownload`` of cityscapesscripts stores them. They go
into one form of the site and nowhere else: not into messages, logs, files or command lines.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from hourglass.registry import UserError

if TYPE_CHECKING:
    from requests import Session

USERNAME, PASSWORD = "CITYSCAPES_USERNAME", "CITYSCAPES_PASSWORD"
REMEDY = f"set {USERNAME} and {PASSWORD} (register at www.cityscapes-dataset.com/register)"


def known() -> bool:
    """Whether there are a user name and a password."""
    return _credentials() is not None


def sign_in(session: Session, url: str) -> None:
    """Sign in to the site that has the file ``url``, as ``csDownload`` does.

    Raises:
        UserError: There are no credentials, or they are not accepted.
        RequestException: The site cannot be reached.
    """
    credentials = _credentials()
    if credentials is None:
        raise UserError(f"{urlsplit(url).hostname} needs an account: {REMEDY}")
    form = urljoin(url, "/login")
    session.get(form, allow_redirects=False, timeout=60).raise_for_status()
    username, password = credentials
    fields = {"username": username, "password": password, "submit": "Login"}
    reply = session.post(form, data=fields, allow_redirects=False, timeout=60)
    reply.raise_for_status()
    if reply.status_code != 302:
        raise UserError(f"{urlsplit(url).hostname} does not accept user name and password; {REMEDY}")


def _credentials() -> tuple[str, str] | None:
    username, password = os.environ.get(USERNAME), os.environ.get(PASSWORD)
    if username and password:
        return username, password
    from platformdirs import user_data_path

    try:
        stored = json.loads(Path(user_data_path("cityscapesscripts", "cityscapes"), "credentials.json").read_text())
        return str(stored["username"]), str(stored["password"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
