"""Files behind an account come with it, and what opens it is seen nowhere."""

from __future__ import annotations

import pytest

from hourglass.bench import downloads
from hourglass.bench.downloads.transfer import CHUNK
from hourglass.registry import UserError

from ...web import CONTENT, DIGEST

SECRET = "hunter2-secret"


@pytest.fixture
def private(server, describe, monkeypatch):
    server.files["/private/file.bin"] = CONTENT
    describe(login="cityscapes", sha256=DIGEST, urls=[f"{server.url}/private/file.bin"], page="https://example.org")
    monkeypatch.setenv("CITYSCAPES_USERNAME", "someone")
    return server


def test_without_an_account_the_message_says_how_to_go_on(root, private, monkeypatch) -> None:
    monkeypatch.delenv("CITYSCAPES_USERNAME")
    with pytest.raises(UserError, match="needs an account; set CITYSCAPES_USERNAME and CITYSCAPES_PASSWORD") as caught:
        downloads.fetch("thing", root=root)
    assert f"place thing.bin from https://example.org as {root / 'downloads' / 'thing.bin'}" in str(caught.value)
    assert not private.requests


def test_with_an_account_the_file_comes(root, private, monkeypatch) -> None:
    monkeypatch.setenv("CITYSCAPES_PASSWORD", "right")
    private.faults = [("break", CHUNK)]
    assert downloads.fetch("thing", root=root).read_bytes() == CONTENT
    assert private.forms == ["username=someone&password=right&submit=Login"]
    assert private.asked("/private/file.bin") == [None, f"bytes={CHUNK}-"]


def test_what_csdownload_stores_is_found(root, private, monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("CITYSCAPES_USERNAME")
    stored = tmp_path / "home" / "cityscapesscripts" / "credentials.json"
    stored.parent.mkdir(parents=True)
    stored.write_text('{"username": "someone", "password": "right"}')
    assert downloads.fetch("thing", root=root).read_bytes() == CONTENT


@pytest.mark.parametrize("unreachable", [False, True])
def test_the_password_is_in_no_message_log_or_file(
    root, private, describe, monkeypatch, caplog, capfd, tmp_path, unreachable
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setenv("CITYSCAPES_PASSWORD", SECRET)
    if unreachable:
        describe(login="cityscapes", urls=["http://127.0.0.1:9/private/file.bin"])
    with pytest.raises(UserError) as caught:
        downloads.fetch("thing", root=root)
    assert ("cannot sign in" if unreachable else "does not accept user name and password") in str(caught.value)
    shown = capfd.readouterr()
    written = "".join(path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file())
    for text in (str(caught.value), caplog.text, shown.out, shown.err, written):
        assert SECRET not in text
        assert "someone" not in text
    assert all(SECRET in form for form in private.forms)
