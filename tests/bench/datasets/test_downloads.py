"""Downloads go on where they were, and only the right bytes arrive."""

from __future__ import annotations

import threading
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hourglass.bench.datasets.downloads import MANIFESTS, check, download, manifest
from hourglass.registry import UserError


@pytest.fixture
def server(tmp_path):
    """A web server on a folder of three files: its URL, its folder, and the paths that were asked for."""
    requested = []

    class Handler(SimpleHTTPRequestHandler):
        def log_request(self, *_):
            requested.append(self.path)

        def log_message(self, *_):
            pass

    folder = tmp_path / "public"
    for path in ("a/1.txt", "a/2.txt", "b/3.txt"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)
    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}/", folder, requested
    http.shutdown()
    http.server_close()
    thread.join()


def digests(folder):
    return {p.relative_to(folder).as_posix(): sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*.txt")}


def test_only_what_is_missing_or_damaged_is_fetched(tmp_path, server):
    url, public, requested = server
    files = digests(public)
    (tmp_path / "mine" / "a").mkdir(parents=True)
    (tmp_path / "mine" / "a" / "1.txt").write_text("a/1.txt")
    (tmp_path / "mine" / "a" / "2.txt").write_text("half a fi")
    download("letters", url, files, tmp_path / "mine")
    assert sorted(requested) == ["/a/2.txt", "/b/3.txt"]
    assert digests(tmp_path / "mine") == files
    download("letters", url, files, tmp_path / "mine")
    assert len(requested) == 2


def test_other_bytes_than_promised_never_arrive(tmp_path, server, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    url, public, _ = server
    files = digests(public)
    (public / "b" / "3.txt").write_text("something else")
    with pytest.raises(UserError, match="letters: cannot be downloaded") as caught:
        download("letters", url, files, tmp_path / "mine")
    assert "\n" not in str(caught.value)
    assert "HOURGLASS_DATA" in str(caught.value)
    assert not (tmp_path / "mine" / "b" / "3.txt").exists()


def test_a_file_is_no_larger_than_a_picture(tmp_path, server, monkeypatch):
    monkeypatch.setattr("hourglass.bench.datasets.downloads.LARGEST", 5)
    url, public, _ = server
    files = digests(public)
    (public / "b" / "3.txt").write_text("b/3.txt and more")
    with pytest.raises(UserError, match="offers 16 bytes of a file of unknown size"):
        download("letters", url, {"b/3.txt": files["b/3.txt"]}, tmp_path / "mine")
    assert not (tmp_path / "mine" / "b" / "3.txt").exists()


def test_offline_asks_for_what_is_missing(tmp_path, server, monkeypatch):
    url, public, requested = server
    monkeypatch.setenv("HOURGLASS_OFFLINE", "1")
    with pytest.raises(UserError, match=r"\.txt: missing; complete this copy of 'letters'"):
        download("letters", url, digests(public), tmp_path / "mine")
    download("letters", url, digests(public), public)
    assert not requested


def test_no_server_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(UserError, match="try again to continue from here") as caught:
        download("letters", "http://127.0.0.1:9/", {"a": "0" * 64}, tmp_path)
    assert "\n" not in str(caught.value)


def test_copies_are_checked_file_by_file(tmp_path, server):
    _, public, _ = server
    files = digests(public)
    check("letters", files, public)
    (public / "a" / "1.txt").write_text("other")
    with pytest.raises(UserError, match=r"a/1\.txt: is not the file of 'letters'"):
        check("letters", files, public)
    (public / "a" / "1.txt").unlink()
    with pytest.raises(UserError, match=r"a/1\.txt: missing"):
        check("letters", files, public)


@pytest.mark.parametrize(
    ("name", "split", "count"),
    [
        ("camvid", "train", 2 * 367),
        ("camvid", "val", 2 * 101),
        ("camvid", "test", 2 * 233),
        ("bccd", "train", 2 * 205),
        ("bccd", "val", 2 * 87),
        ("bccd", "test", 2 * 72),
    ],
)
def test_manifests_list_the_whole_split(name, split, count):
    files = manifest(name, split)
    assert len(files) == count
    assert all(len(digest) == 64 and not path.startswith("/") and ".." not in path for path, digest in files.items())


def test_splits_share_no_file():
    for name in ("camvid", "bccd"):
        paths = [path for file in MANIFESTS.glob(f"{name}-*") for path in manifest(name, file.stem.split("-")[1])]
        assert len(set(paths)) == len(paths)
