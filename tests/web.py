"""A web server with faults to order."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CONTENT = bytes(range(256)) * 4096  # 1 MiB
DIGEST = sha256(CONTENT).hexdigest()


class Server:
    """What is served by path, what goes wrong, and what was asked for.

    Attributes:
        files: Content by path.
        faults: Taken one a request to a file: a status code to reply, ``("break", n)`` to close after n bytes,
            ``("wait", n)`` to send n bytes and then nothing until the server is closed, a function of the request's
            handler that replies in its own way, or None to serve it.
        ranges: Whether ``Range`` is understood.
        tag: ETag of every file.
        requests: Method, path and ``Range`` of each.
        forms: Bodies that were posted.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"/file.bin": CONTENT}
        self.faults: list[Any] = []
        self.ranges = True
        self.tag = '"first"'
        self.type = "application/octet-stream"
        self.requests: list[tuple[str, str, str | None]] = []
        self.forms: list[str] = []
        self.closing = threading.Event()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    @contextmanager
    def running(self) -> Iterator[Server]:
        """Serve until the block is left."""
        thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self.closing.set()
            self.http.shutdown()
            self.http.server_close()
            thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                asked = self.headers.get("Range")
                server.requests.append(("GET", self.path, asked))
                if self.path == "/login":
                    return self._reply(200)
                if self.path.startswith("/private") and "session=open" not in self.headers.get("Cookie", ""):
                    return self._reply(302, {"Location": "/login"})
                if self.path not in server.files:
                    return self._reply(404)
                fault = server.faults.pop(0) if server.faults else None
                if callable(fault):
                    return fault(self)
                if isinstance(fault, int):
                    return self._reply(fault)
                content, start = server.files[self.path], 0
                if asked and server.ranges and self.headers.get("If-Range", server.tag) == server.tag:
                    start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
                    if start >= len(content):
                        return self._reply(416, {"Content-Range": f"bytes */{len(content)}"})
                    self.send_response(206)
                    self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
                else:
                    self.send_response(200)
                self.send_header("Content-Length", str(len(content) - start))
                self.send_header("Content-Type", server.type)
                self.send_header("ETag", server.tag)
                self.end_headers()
                kind, length = fault or ("all", len(content))
                self.wfile.write(content[start : start + length])
                self.wfile.flush()
                if kind == "wait":
                    server.closing.wait(60)
                return None

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                server.requests.append(("POST", self.path, None))
                server.forms.append(body)
                good = "password=right" in body
                self._reply(302 if good else 200, {"Set-Cookie": "session=open", "Location": "/"} if good else {})

            def _reply(self, code: int, headers: dict[str, str] | None = None) -> None:
                self.send_response(code)
                for name, value in {"Content-Type": "text/html", "Content-Length": "0", **(headers or {})}.items():
                    self.send_header(name, value)
                self.end_headers()

        return Handler

    def asked(self, path: str = "/file.bin") -> list[str | None]:
        """The ranges that were asked for."""
        return [asked for _, asked_path, asked in self.requests if asked_path == path]
