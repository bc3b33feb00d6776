"""A proxy in front of an S3 server that breaks what a test wants broken.

A rule looks at a request and answers with what shall happen to it: `pass`, `busy` (503 SlowDown),
`lost` (the server does it, the answer never comes), `plain` (conditions are left out, as by a
server that does not know them), `stale` (a listing is answered as it was the first time).
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import NamedTuple

BUSY = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code>'
    b"<Message>Please reduce your request rate.</Message></Error>"
)
_HOP = {"connection", "transfer-encoding", "content-length", "date", "server", "keep-alive"}


class Request(NamedTuple):
    """What a rule sees."""

    method: str
    path: str
    conditional: bool

    @property
    def is_record(self) -> bool:
        """Whether it writes a record."""
        return self.method == "PUT" and "/manifests/" in self.path


Rule = Callable[[Request], str]


class Proxy:
    """A running proxy: where it is, what it saw, and the rule, which a test sets."""

    def __init__(self, target: str) -> None:
        self.target = target.removeprefix("http://")
        self.rule: Rule = lambda request: "pass"
        self.seen: list[Request] = []
        self.listings: dict[str, bytes] = {}

    def first(self, count: int, fate: str, wanted: Callable[[Request], bool]) -> None:
        """Let the first requests of a kind have a fate."""
        left = [fate] * count
        self.rule = lambda request: left.pop() if wanted(request) and left else "pass"


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(self.command, self.path, "If-None-Match" in self.headers)
            proxy.seen.append(request)
            fate = proxy.rule(request)
            if fate == "busy":
                self.answer(503, [("Content-Type", "application/xml")], BUSY)
                return
            headers = {k: v for k, v in self.headers.items() if k.lower() != "connection"}
            if fate == "plain":
                headers.pop("If-None-Match", None)
            connection = http.client.HTTPConnection(proxy.target, timeout=30)
            try:
                connection.request(self.command, self.path, body, headers)
                reply = connection.getresponse()
                data = reply.read()
            finally:
                connection.close()
            if fate == "lost":
                self.close_connection = True
                return
            if "list-type" in self.path:
                first = proxy.listings.setdefault(self.path, data)
                data = first if fate == "stale" else data
            kept = [(k, v) for k, v in reply.getheaders() if k.lower() not in _HOP]
            length = reply.getheader("Content-Length") if self.command == "HEAD" else None
            self.answer(reply.status, kept, data, length)

        def answer(
            self,
            status: int,
            headers: list[tuple[str, str]],
            data: bytes,
            length: str | None = None,
        ) -> None:
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", length or str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = forward

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def proxying(target: str) -> Iterator[tuple[str, Proxy]]:
    """Run a proxy in front of a server; yields its address and itself."""
    proxy = Proxy(target)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(proxy))
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
