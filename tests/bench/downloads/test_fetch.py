"""Files arrive whole and right whatever the network does, once, and nothing that is there is asked for again."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from hashlib import md5, sha256
from pathlib import Path

import pytest
import yaml

from hourglass.bench import downloads
from hourglass.bench.downloads import lock as locks
from hourglass.bench.downloads import transfer
from hourglass.bench.downloads.transfer import CHUNK
from hourglass.registry import UserError

from ...web import CONTENT, DIGEST

HALF = len(CONTENT) // 2


def fetch(root: Path) -> Path:
    return downloads.fetch("thing", root=root)


def fails(root: Path, message: str) -> str:
    """The message of an attempt that fails, which is one line and leaves no target."""
    with pytest.raises(UserError, match=message) as caught:
        fetch(root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def left(root: Path) -> set[str]:
    return {path.name for path in (root / "downloads").iterdir() if not path.name.startswith(".")}


def test_a_file_is_downloaded_once(root, server, describe) -> None:
    describe(sha256=DIGEST, size=len(CONTENT))
    assert fetch(root) == root / "downloads" / "thing.bin"
    assert fetch(root).read_bytes() == CONTENT
    assert server.asked() == [None]
    assert left(root) == {"thing.bin"}


def test_many_at_once_download_it_once(root, server, describe) -> None:
    lock = describe()
    with ThreadPoolExecutor(8) as pool:
        assert len({*pool.map(fetch, [root] * 8)}) == 1
    assert server.asked() == [None]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: locks.record(f"other-{n}", locks.Pin(size=1, sha256="0" * 64)), range(16)))
    assert len(yaml.safe_load(lock.read_text())["artifacts"]) == 17


def test_a_broken_connection_is_continued(root, server, describe) -> None:
    describe(sha256=DIGEST)
    server.faults = [("break", CHUNK), ("break", HALF)]
    assert fetch(root).read_bytes() == CONTENT
    assert server.asked() == [None, f"bytes={CHUNK}-", f"bytes={CHUNK + HALF}-"]


def test_what_is_missing_alone_is_asked_for_by_the_next_call(root, server, describe, monkeypatch) -> None:
    describe()
    monkeypatch.setattr(transfer, "ATTEMPTS", 1)
    server.faults = [("break", HALF), 503]
    fails(root, "503 Service Unavailable")
    assert left(root) == {"thing.bin.part", "thing.bin.part.json"}
    assert fetch(root).read_bytes() == CONTENT
    assert server.asked() == [None, f"bytes={HALF}-", f"bytes={HALF}-"]


def test_a_server_that_ignores_ranges_starts_over(root, server, describe) -> None:
    describe(sha256=DIGEST)
    server.ranges = False
    server.faults = [("break", HALF)]
    assert fetch(root).read_bytes() == CONTENT
    assert server.asked() == [None, f"bytes={HALF}-"]


def test_errors_of_a_moment_are_outlived(root, server, describe) -> None:
    describe(sha256=DIGEST)
    server.faults = [500, 503, 429]
    assert fetch(root).read_bytes() == CONTENT
    assert len(server.asked()) == 4


def test_attempts_back_off_and_end(root, server, describe, monkeypatch) -> None:
    describe(sha256=DIGEST)
    waits: list[float] = []
    monkeypatch.setattr(transfer, "BACK_OFF", 1.0)
    monkeypatch.setattr(transfer.time, "sleep", waits.append)
    server.faults = [500] * 9
    said = fails(root, "500 Internal Server Error, 6 attempts")
    assert waits == [1, 2, 4, 8, 16]
    assert "try again to continue from here, or place thing.bin from http://127.0.0.1" in said
    assert str(root / "downloads" / "thing.bin") in said


def test_mirrors_are_tried_in_order_and_go_on_with_what_is_there(root, server, describe, monkeypatch) -> None:
    server.files["/mirror.bin"] = CONTENT
    describe(sha256=DIGEST, urls=[f"{server.url}/{name}.bin" for name in ("gone", "file", "mirror")])
    monkeypatch.setattr(transfer, "ATTEMPTS", 1)
    server.faults = [("break", HALF), 503]
    assert fetch(root).read_bytes() == CONTENT
    assert [path for _, path, _ in server.requests] == ["/gone.bin", "/file.bin", "/file.bin", "/mirror.bin"]
    assert server.asked("/mirror.bin") == [f"bytes={HALF}-"]


def test_without_a_known_hash_bytes_of_two_addresses_are_never_mixed(root, server, describe, monkeypatch) -> None:
    server.files["/mirror.bin"] = CONTENT[::-1]
    describe(urls=[f"{server.url}/file.bin", f"{server.url}/mirror.bin"])
    monkeypatch.setattr(transfer, "ATTEMPTS", 1)
    server.faults = [("break", HALF), 503]
    assert fetch(root).read_bytes() == CONTENT[::-1]
    assert server.asked("/mirror.bin") == [None]


def test_a_file_that_changed_on_the_server_starts_over(root, server, describe, monkeypatch) -> None:
    describe()
    monkeypatch.setattr(transfer, "ATTEMPTS", 1)
    server.faults = [("break", HALF), 503]
    fails(root, "503 Service Unavailable")
    server.files["/file.bin"], server.tag = CONTENT[::-1], '"second"'
    assert fetch(root).read_bytes() == CONTENT[::-1]


def test_when_all_mirrors_are_dead_each_says_why(root, server, describe, monkeypatch) -> None:
    describe(urls=[f"{server.url}/gone.bin", "http://127.0.0.1:9/file.bin"])
    said = fails(root, "thing: cannot be downloaded")
    assert "127.0.0.1: 404 Not Found; 127.0.0.1: " in said
    assert "Connection refused" in said


def test_other_bytes_than_promised_never_arrive(root, server, describe) -> None:
    describe(sha256="0" * 64)
    said = fails(root, f"sha256 is {DIGEST} where {'0' * 64} is expected")
    assert "cannot be downloaded" in said
    assert not left(root) - {"thing.bin.part.json"}
    assert server.asked() == [None]


def test_a_file_put_together_wrongly_is_tried_once_more_in_one_piece(root, server, describe) -> None:
    describe(sha256=DIGEST)
    (root / "downloads").mkdir(parents=True)
    (root / "downloads" / "thing.bin.part").write_bytes(b"\xff" * HALF)
    assert fetch(root).read_bytes() == CONTENT
    assert server.asked() == [f"bytes={HALF}-", None]


def test_a_server_with_a_file_of_another_size_is_left_at_once(root, server, describe) -> None:
    describe(size=5)
    fails(root, f"offers {len(CONTENT)} bytes where there should be 5")


def test_a_web_page_is_no_file(root, server, describe) -> None:
    describe()
    server.type = "text/html; charset=utf-8"
    server.files["/file.bin"] = b"\n<!DOCTYPE html><title>Sign in</title>"
    fails(root, "sent a web page in place of the file")
    server.files["/file.bin"] = b""
    fails(root, "sent an empty file")
    server.files["/file.bin"] = CONTENT  # a script that sends files may well forget to say what they are
    assert fetch(root).read_bytes() == CONTENT


def reply(code: int, body: bytes = b"", **headers: str):
    """A fault: a reply with these headers, and no others."""

    def send(handler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = True

    return send


def endless(handler) -> None:
    """A body of gigabytes, if they are read."""
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in range(10_000):
            handler.wfile.write(CONTENT)
    except OSError:
        pass


def dripping(where: str):
    """A byte now and then, forever: each on its own is in time."""

    def drip(handler) -> None:
        if where == "body":
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(CONTENT)))
            handler.end_headers()
        else:
            handler.wfile.write(b"HTTP/1.0 200 OK\r\nX: ")
        try:
            while not handler.server.closing.wait(0.05):
                handler.wfile.write(b"x")
                handler.wfile.flush()
        except OSError:
            pass

    return drip


def test_an_endless_body_ends_at_the_size_that_is_known(root, server, describe) -> None:
    describe(sha256=DIGEST, size=len(CONTENT))
    server.faults = [endless]
    fails(root, "sent more than the 1048576 bytes there should be")
    assert (root / "downloads" / "thing.bin.part").stat().st_size <= len(CONTENT)


def test_an_endless_body_of_unknown_size_ends_at_the_limit(root, server, describe, monkeypatch) -> None:
    describe(sha256=DIGEST)
    monkeypatch.setattr(transfer, "LARGEST", 3 * len(CONTENT))
    server.faults = [endless]
    fails(root, "sent more than the 3145728 bytes there should be")
    server.faults = [reply(200, Content_Length=str(10**15))]
    fails(root, "offers 1000000000000000 bytes of a file of unknown size")


@pytest.mark.parametrize("where", ["headers", "body"])
def test_a_dripping_server_is_not_waited_for_forever(root, server, describe, monkeypatch, where) -> None:
    describe(sha256=DIGEST)
    monkeypatch.setattr(transfer, "PATIENCE", 0.5)
    monkeypatch.setattr(transfer.time, "sleep", lambda _: monkeypatch.setattr(transfer, "PATIENCE", 60.0))
    server.http.closing = server.closing
    server.faults = [dripping(where)]
    assert fetch(root).read_bytes() == CONTENT, "the second attempt has time"
    assert len(server.asked()) == 2


def test_a_server_that_gives_a_byte_a_time_is_left(root, server, describe) -> None:
    describe(sha256=DIGEST, size=len(CONTENT))

    def a_byte(handler) -> None:
        start = int(handler.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        extent = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
        reply(206, CONTENT[start : start + 1], Content_Range=extent)(handler)

    server.faults = [("break", HALF), *[a_byte] * 99]
    fails(root, "the connection was closed early, 6 attempts")
    assert server.asked()[1:] == [f"bytes={HALF + number}-" for number in range(6)]


def test_a_body_without_a_length_is_no_whole_file_unless_its_hash_says_so(root, server, describe) -> None:
    lock = describe()
    server.faults = [reply(200, CONTENT[:HALF])]
    fails(root, "does not say how long the file is")
    assert not lock.exists(), "nothing is recorded of which nobody knows whether it is whole"
    assert fetch(root).read_bytes() == CONTENT
    describe(sha256=DIGEST)
    (root / "downloads" / "thing.bin").unlink()
    server.faults = [reply(200, CONTENT)]
    assert fetch(root).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "extent",
    [
        f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}",
        f"bytes {HALF}-{HALF + 99}/{len(CONTENT)}",
        f"bytes {HALF}-{len(CONTENT) - 1}/*",
        "pages 1-2/3",
        "",
    ],
)
def test_another_part_than_was_asked_for_is_not_appended(root, server, describe, extent) -> None:
    describe(sha256=DIGEST)
    server.faults = [("break", HALF), reply(206, CONTENT[HALF:], Content_Range=extent)]
    fails(root, "sent another part of the file than was asked for")
    assert fetch(root).read_bytes() == CONTENT


def test_a_part_that_is_shorter_than_it_says_is_continued(root, server, describe) -> None:
    describe(sha256=DIGEST)
    extent = f"bytes {HALF}-{len(CONTENT) - 1}/{len(CONTENT)}"
    server.faults = [("break", HALF), reply(206, CONTENT[HALF : HALF + 1000], Content_Range=extent)]
    assert fetch(root).read_bytes() == CONTENT
    assert server.asked()[-1] == f"bytes={HALF + 1000}-"


@pytest.mark.parametrize("change", [{"ETag": '"second"'}, {"total": True}])
def test_a_part_of_another_version_is_not_appended(root, server, describe, change) -> None:
    describe()
    total = len(CONTENT) + bool(change.get("total"))
    body = b"\xff" * (total - HALF)
    headers = {"Content_Range": f"bytes {HALF}-{total - 1}/{total}", "ETag": change.get("ETag", '"first"')}
    server.faults = [("break", HALF), reply(206, body, **headers)]
    assert fetch(root).read_bytes() == CONTENT
    assert server.asked() == [None, f"bytes={HALF}-", None]


def test_a_false_end_is_not_believed(root, server, describe) -> None:
    describe()
    server.faults = [("break", HALF), reply(416, Content_Range=f"bytes */{HALF}", Content_Length="0")]
    assert fetch(root).read_bytes() == CONTENT
    assert server.asked() == [None, f"bytes={HALF}-", None]


@pytest.mark.parametrize(
    "page",
    [
        b"<!DOCTYPE html><title>Sign in</title>",
        b"<HTML>",
        b"\xef\xbb\xbf\n<!doctype html>",
        b"<!-- moved --><html>",
        b"<head><title>Sign in</title>",
        b"<script>location = '/login'</script>",
    ],
)
def test_a_web_page_is_no_file_whatever_it_is_called(root, server, describe, page) -> None:
    lock = describe()
    server.files["/file.bin"] = page
    fails(root, "sent a web page in place of the file")
    assert not lock.exists()


@pytest.mark.parametrize("name", ["thing.zip", "thing.tar", "thing.tar.gz"])
def test_what_is_no_archive_is_not_recorded_as_one(root, server, describe, name) -> None:
    lock = describe(file=name)
    fails(root, f"is not 'thing': no {'zip' if name.endswith('zip') else 'tar'} archive, or not a whole one")
    assert not lock.exists()


def test_a_file_unlike_the_record_names_the_record(root, server, describe) -> None:
    lock = describe()
    fetch(root)
    (root / "downloads" / "thing.bin").unlink()
    server.files["/file.bin"] = CONTENT[::-1]
    assert f", as {lock} has it" in fails(root, "sha256 is")
    server.files["/file.bin"] = CONTENT[1:]
    fails(root, "offers 1048575 bytes where there should be 1048576")


def test_messages_show_neither_credentials_nor_control_characters(root, server, describe) -> None:
    url = server.url.replace("//", "//someone:hunt@er2@")
    describe(urls=[f"{url}/file.bin"])

    def shouting(handler) -> None:
        handler.wfile.write(b"HTTP/1.0 404 \x1b[31mGone\x07\r\n\r\n")

    server.faults = [shouting]
    said = fails(root, "404 ")
    assert "er2" not in said
    assert said.isprintable()


def test_a_killed_process_is_continued(root, server, describe) -> None:
    describe(sha256=DIGEST)
    server.faults = [("wait", HALF)]
    command = [sys.executable, "-m", "hourglass", "fetch", "thing", "--data", str(root)]
    part = root / "downloads" / "thing.bin.part"
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}) as process:
        deadline = time.monotonic() + 60
        while not (part.exists() and part.stat().st_size):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    there = part.stat().st_size
    assert 0 < there < len(CONTENT)
    assert left(root) == {"thing.bin.part", "thing.bin.part.json"}
    assert fetch(root).read_bytes() == CONTENT
    assert server.asked() == [None, f"bytes={there}-"]


def test_a_process_killed_after_the_last_byte_downloads_nothing_more(root, server, describe) -> None:
    describe(sha256=DIGEST)
    (root / "downloads").mkdir(parents=True)
    (root / "downloads" / "thing.bin.part").write_bytes(CONTENT)
    assert fetch(root).read_bytes() == CONTENT
    assert server.asked() == [f"bytes={len(CONTENT)}-"]


def test_room_is_asked_for_before_anything_is_written(root, server, describe, monkeypatch) -> None:
    describe(sha256=DIGEST)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 1000, 1000))
    said = fails(root, "thing.bin.part needs 1.05 MB, of which 1 kB are free")
    assert "--data" in said
    assert not left(root)


def test_a_disk_that_runs_full_keeps_what_is_there(root, server, describe, monkeypatch) -> None:
    describe(sha256=DIGEST)
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr(transfer.os, "fsync", full)
        patch.setattr(transfer, "_note", lambda *_: None)
        fails(root, "the disk ran full while thing.bin.part was written")
    assert fetch(root).read_bytes() == CONTENT
    assert server.asked()[-1].startswith("bytes=")


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("cannot mount a tmpfs here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_really_full_disk_is_one_line(small_disk, server, describe, monkeypatch) -> None:
    describe(sha256=DIGEST)
    fails(small_disk, r"needs 1\.05 MB, of which \d+ kB are free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: namedtuple("usage", "free")(10**12))
    fails(small_disk, "the disk ran full")
    assert not (small_disk / "downloads" / "thing.bin").exists()
    assert (small_disk / "downloads" / "thing.bin.part").stat().st_size > 0


def test_a_file_placed_by_hand_is_checked_and_used(root, server, describe) -> None:
    describe(sha256=DIGEST)
    (root / "downloads").mkdir(parents=True)
    (root / "downloads" / "thing.bin").write_bytes(CONTENT)
    assert fetch(root).read_bytes() == CONTENT
    assert not server.requests


def test_a_wrong_file_placed_by_hand_is_named_and_kept(root, server, describe) -> None:
    describe(sha256=DIGEST)
    placed = root / "downloads" / "thing.bin"
    placed.parent.mkdir(parents=True)
    placed.write_bytes(b"mine")
    said = fails(root, "put the right file there, or move this one away")
    assert said.startswith(f"{placed}: is not 'thing'")
    assert placed.read_bytes() == b"mine"
    assert not server.requests


def test_the_users_own_folder_is_linked_to(root, server, describe, tmp_path, monkeypatch) -> None:
    describe(sha256=DIGEST)
    own = tmp_path / "mine" / "thing.bin"
    own.parent.mkdir()
    own.write_bytes(CONTENT)
    monkeypatch.setenv("HOURGLASS_DATA", str(own.parent))
    assert fetch(root).samefile(own)
    assert not server.requests
    own.unlink()
    assert fetch(root).read_bytes() == CONTENT
    assert not fetch(root).is_symlink()


def test_offline_says_which_file_to_place_where(root, server, describe, monkeypatch) -> None:
    describe(sha256=DIGEST, size=len(CONTENT))
    monkeypatch.setenv("HOURGLASS_OFFLINE", "1")
    assert downloads.offline()
    where = root / "downloads" / "thing.bin"
    fails(root, f"place thing.bin \\(1.05 MB\\) from {server.url}/file.bin as {where}")
    assert not server.requests
    where.write_bytes(CONTENT)
    assert fetch(root) == where
    monkeypatch.setenv("HOURGLASS_OFFLINE", "0")
    assert not downloads.offline()


def test_what_no_program_can_download_is_asked_of_the_user(root, describe) -> None:
    describe(urls=[], page="https://example.org/form", about=3_000_000_000)
    said = fails(
        root, r"cannot be downloaded by a program; place thing.bin \(about 3 GB\) from https://example.org/form"
    )
    assert str(root / "downloads" / "thing.bin") in said


def test_what_is_not_served_any_more_is_not_asked_for(root, server, describe) -> None:
    describe(dead="reported in June 2024", sha256=DIGEST)
    said = fails(root, r"cannot be downloaded any more \(reported in June 2024\); place thing.bin")
    assert not server.requests
    (root / "downloads" / "thing.bin").write_bytes(CONTENT)
    assert fetch(root).read_bytes() == CONTENT
    assert str(root / "downloads" / "thing.bin") in said


def test_a_first_download_is_recorded_and_every_later_one_compared(root, server, describe, tmp_path, caplog) -> None:
    lock = describe(md5=md5(CONTENT).hexdigest())
    fetch(root)
    assert yaml.safe_load(lock.read_text()) == {"artifacts": {"thing": {"size": len(CONTENT), "sha256": DIGEST}}}
    assert "should be committed" in caplog.text
    caplog.clear()
    fetch(root)
    assert not caplog.text
    server.files["/file.bin"] = CONTENT[::-1]
    fails_elsewhere = tmp_path / "elsewhere"
    fails(fails_elsewhere, f"sha256 is {sha256(CONTENT[::-1]).hexdigest()} where {DIGEST} is expected")
    (root / "downloads" / "thing.bin").write_bytes(CONTENT[::-1])
    fails(root, "is not 'thing'")


def test_a_wrong_published_hash_that_is_binding_is_not_recorded(root, server, describe) -> None:
    lock = describe(md5="0" * 32)
    fails(root, "md5 is")
    assert not lock.exists()


@pytest.mark.parametrize(
    "fields",
    [{"prefix": "sha256:00000000"}, {"prefix": "md5:000000"}, {"sha256": "0" * 64, "size": 5, "confidence": "low"}],
)
def test_an_unconfirmed_hash_warns_until_the_file_is_recorded(root, server, describe, caplog, fields) -> None:
    describe(**fields)
    assert fetch(root).read_bytes() == CONTENT
    assert "thing.bin.part: may not be 'thing'" in caplog.text
    caplog.clear()
    assert fetch(root).read_bytes() == CONTENT
    assert not caplog.text
    (root / "downloads" / "thing.bin").write_bytes(b"other")
    fails(root, "is not 'thing'")


def test_a_confirmed_prefix_is_silent_but_for_the_record(root, server, describe, caplog) -> None:
    describe(prefix=f"sha256:{DIGEST[:8]}")
    fetch(root)
    assert "may not be" not in caplog.text


def test_a_lock_that_cannot_be_written_says_what_it_should_hold(root, server, describe) -> None:
    lock = describe()
    lock.with_name(f".{lock.name}.guard").mkdir()
    fails(root, f"cannot be written .*SHA-256 of 'thing' is {DIGEST}")


def test_a_damaged_lock_is_named(root, server, describe) -> None:
    describe().write_text("artifacts:\n  thing: {size: 3, sha256: abc}\n")
    fails(root, "catalogue.lock:2: artifacts.thing.sha256")
