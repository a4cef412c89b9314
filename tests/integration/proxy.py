"""A bad day between the worker and AWS: one server that passes calls on, or does to them what it is told to."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Protocol
from urllib.parse import parse_qs
from uuid import uuid4

from demo.environment import LOOPBACK

OWN_HEADERS = {"host", "expect", "connection", "transfer-encoding", "content-length"}
TIMEOUT_S = 20.0
AWS_JSON = "application/x-amz-json-1.0"


@dataclass(frozen=True, slots=True)
class Call:
    """A request. ``operation`` is the API's name for it; for S3, whose API has none in a request, the HTTP method.
    ``path`` is with its query."""

    service: str
    operation: str
    path: str
    body: bytes

    @classmethod
    def of(cls, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Call:
        """Which service is meant: the JSON protocols say so in a header, SNS, SQS and STS have a form with an action,
        and the rest is S3."""
        target = headers.get("X-Amz-Target", "")
        if target:
            service, operation = target.split(".", 1)
            return cls("streams" if service.startswith("DynamoDBStreams") else service.lower(), operation, path, body)
        if headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
            action = parse_qs(body.decode()).get("Action", [""])[0]
            return cls("sns" if "/sns/" in headers.get("Authorization", "") else "form", action, path, body)
        return cls("s3", method, path, body)

    @property
    def asked(self) -> dict[str, Any]:
        """The body of a JSON call."""
        asked: dict[str, Any] = json.loads(self.body or b"{}")
        return asked


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answers."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_json(cls, status: int, content: Mapping[str, Any]) -> Answer:
        """As DynamoDB sends it, with the checksum that clients may compare."""
        body = json.dumps(content).encode()
        return cls(status, body, {"Content-Type": AWS_JSON, "x-amz-crc32": str(zlib.crc32(body))})


Pass = Callable[[], Answer]
"""Asks the server that was meant."""


class Fault(Protocol):
    """What happens to a call. Returns what its caller gets; None: the connection is cut."""

    @property
    def name(self) -> str:
        """To count it by."""

    def __call__(self, call: Call, ask: Pass) -> Answer | None:
        """``ask`` passes the call on; a fault that never calls it keeps the call from the server."""


Faults = Callable[[Call], Fault | None]
"""Decides for each call what is done to it; None: nothing. Threads call it one at a time."""


class Streams(Protocol):
    """Answers the calls of DynamoDB Streams in the place of the server behind."""

    def answer(self, operation: str, asked: Mapping[str, Any]) -> Answer:
        """The answer to one call."""


def nothing(call: Call) -> Fault | None:
    """A good day."""


class Proxy:
    """Passes calls on to the server on ``port``, those of DynamoDB Streams to ``streams`` where there is one. A context
    manager. ``faults`` may be exchanged while it runs; ``injected`` counts them by name, ``calls`` all by operation.
    ``clock_off_s``: by how much the service's clock (the ``Date`` of each answer) is ahead."""

    def __init__(self, port: int, faults: Faults = nothing, streams: Streams | None = None) -> None:
        self.faults = faults
        self.clock_off_s = 0.0
        self.calls: Counter[str] = Counter()
        self.injected: Counter[str] = Counter()
        self._port = port
        self._streams = streams
        self._lock = threading.Lock()
        self._server = _Server((LOOPBACK, 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """For AWS_ENDPOINT_URL, or that of one service."""
        return f"http://{LOOPBACK}:{self._server.server_port}"

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5.0)

    def carry_out(self, call: Call, ask: Pass) -> Answer | None:
        """The answer to a call, after what is done to it; None: none."""

        def pass_on() -> Answer:
            if call.service == "streams" and self._streams is not None:
                return self._streams.answer(call.operation, call.asked)
            return ask()

        with self._lock:
            self.calls[call.operation] += 1
            fault = self.faults(call)
            if fault is not None:
                self.injected[fault.name] += 1
        return pass_on() if fault is None else fault(call, pass_on)

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Ask the server behind."""
        server = http.client.HTTPConnection(LOOPBACK, self._port, timeout=TIMEOUT_S)
        try:
            server.request(method, path, body=body or None, headers=dict(headers))
            answer = server.getresponse()
            return Answer(answer.status, answer.read(), dict(answer.getheaders()))
        finally:
            server.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: the clients are killed in the middle of their calls."""


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # else nobody answers "Expect: 100-continue", and each PUT waits a second for it

        def setup(self) -> None:
            super().setup()
            # Headers and body are two writes: without it the second waits for the client's delayed acknowledgement.
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kept = {name: value for name, value in self.headers.items() if name.lower() not in OWN_HEADERS}
            call = Call.of(self.command, self.path, dict(self.headers.items()), body)
            answer = proxy.carry_out(call, lambda: proxy.ask(self.command, self.path, kept, body))
            if answer is None:
                self.close_connection = True
                return
            self._send(answer)

        def _send(self, answer: Answer) -> None:
            self.send_response(answer.status)
            headers = {"x-amzn-RequestId": uuid4().hex.upper(), **answer.headers}
            for name, value in headers.items():
                if name.lower() not in OWN_HEADERS | {"date", "server"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        def date_time_string(self, timestamp: float | None = None) -> str:
            """What the service takes for the time."""
            return super().date_time_string(time.time() + proxy.clock_off_s)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: every request would be a line."""

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _answer  # noqa: N815 - the names are http.server's

    return Handler
