"""S3 on a bad day: a server between the worker and the embedded AWS that refuses what it is told to."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from demo.environment import LOOPBACK

REFUSED = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
OWN_HEADERS = {"host", "expect", "connection", "transfer-encoding", "content-length"}
TIMEOUT_S = 20.0


class Gate:
    """Passes requests on, and answers 503 to those for which ``refuse`` (method, path with its query) is true. A
    context manager; ``refused`` counts."""

    def __init__(self, port: int, refuse: Callable[[str, str], bool]) -> None:
        self.refused = 0
        self._server = ThreadingHTTPServer((LOOPBACK, 0), _handler(self, port, refuse))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """For AWS_ENDPOINT_URL_S3."""
        return f"http://{LOOPBACK}:{self._server.server_port}"

    def __enter__(self) -> Gate:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5.0)


def _handler(gate: Gate, port: int, refuse: Callable[[str, str], bool]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # else nobody answers "Expect: 100-continue", and each PUT waits a second for it

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if refuse(self.command, self.path):
                gate.refused += 1
                self._send(503, {"Content-Type": "application/xml"}, REFUSED)
                return
            server = http.client.HTTPConnection(LOOPBACK, port, timeout=TIMEOUT_S)
            try:
                kept = {name: value for name, value in self.headers.items() if name.lower() not in OWN_HEADERS}
                server.request(self.command, self.path, body=body or None, headers=kept)
                answer = server.getresponse()
                self._send(answer.status, dict(answer.getheaders()), answer.read())
            finally:
                server.close()

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in OWN_HEADERS | {"date", "server"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: every request would be a line."""

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _answer  # noqa: N815 - the names are http.server's

    return Handler
