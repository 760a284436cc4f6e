"""A web server of the tests, with scripted replies and a record of all requests."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from threads import end

CERTIFICATES = Path(__file__).parent / "certificates"
AUTHORITY = CERTIFICATES / "authority.pem"
# Variables of the machine that would change the results of the tests.
_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC")
_PATIENCE = 60


@dataclass(frozen=True)
class Reply:
    """The reply of a path.

    `sent` is the body that goes out if it is not the one that `Content-Length` counts. One that drips is sent byte by
    byte, with a pause after each. A silent one is not begun. One that is not delimited ends with the connection.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: bytes | None = None
    is_chunked: bool = False
    is_delimited: bool = True
    drips: float | None = None
    drips_headers: bool = False
    is_silent: bool = False


@dataclass
class WebServer:
    """The server's address, its replies by path, and what it was asked."""

    url: str
    replies: dict[str, Reply] = field(default_factory=dict)
    asked: list[tuple[str, Message]] = field(default_factory=list)
    bytes_sent: int = 0
    is_over: threading.Event = field(default_factory=threading.Event)

    def put(self, path: str, body: bytes = b"", **other: Any) -> str:
        """Answer a path with a body, and return its URL."""
        self.replies[path] = Reply(body, **other)
        return self.url + path

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        self.asked.append((handler.path, handler.headers))
        reply = self.replies.get(handler.path, Reply(b"nothing here", 404))
        if reply.is_silent:
            self.is_over.wait(_PATIENCE)
            return
        if reply.drips_headers:
            self._drip(handler, b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 10_000, reply.drips or 0)
            return
        validator = reply.headers.get("ETag")
        known = handler.headers.get("If-None-Match") or handler.headers.get("If-Modified-Since")
        if known is not None and known in (validator, reply.headers.get("Last-Modified")):
            handler.send_response(304)
            handler.end_headers()
            return
        self._send(handler, reply)

    def _send(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        handler.send_response_only(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        if reply.is_chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        elif "Content-Length" not in reply.headers and reply.is_delimited:
            handler.send_header("Content-Length", str(len(reply.body)))
        handler.end_headers()
        body = reply.body if reply.sent is None else reply.sent
        if reply.is_chunked:
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        if reply.drips is None:
            handler.wfile.write(body)
            self.bytes_sent += len(body)
        else:
            self._drip(handler, body, reply.drips)

    def _drip(self, handler: BaseHTTPRequestHandler, content: bytes, pause: float) -> None:
        for number in content:
            handler.wfile.write(bytes([number]))
            if self.is_over.wait(pause):
                return


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.answering: list[threading.Thread] = []

    def process_request(self, request: Any, client_address: Any) -> None:
        """Reply in a thread that the end of the server can wait for: socketserver keeps no list of daemons."""
        thread = threading.Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        self.answering.append(thread)
        thread.start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client may hang up: the test does not fail."""


@contextlib.contextmanager
def serving(*, tls: bool = False, host: str = "127.0.0.1") -> Iterator[WebServer]:
    """Yield a server that runs until the end, with `tls` under a certificate of the authority in AUTHORITY."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - so it is called there
            pass

    with _Server((host, 0), Handler) as http:
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTIFICATES / "server.pem")
            # The handshake is the business of the thread that answers: one that hangs would keep all others waiting.
            http.socket = context.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
        server = WebServer(f"{'https' if tls else 'http'}://{host}:{http.server_port}")
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.is_over.set()
            http.shutdown()
            end(thread, *http.answering)


def without_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the environment says about proxies, certificates and passwords."""
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
