"""The embedded AWS: a real server process on a free loopback port."""

from __future__ import annotations

import http.client
import os
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from demo.child import Child
from demo.environment import LOOPBACK, REGION, client_environment, scrubbed

PROGRAM_VARIABLE = "BATTERY_WATCH_EMULATOR"
HEALTH_PATH = "/_ministack/health"
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 5.0
ATTEMPTS = 3
SERVICES = ("dynamodb", "dynamodbstreams", "s3", "sns", "sqs", "iam", "sts")
"""The services that the demo needs."""


class EmulatorError(RuntimeError):
    """The embedded AWS is not installed or does not start. The message says what to do."""


def program() -> Path:
    """The emulator's executable: the one that `PROGRAM_VARIABLE` names, else the one that `make setup` installs.

    It lives in a virtual environment of its own because it pins an older botocore than the worker's.
    """
    named = os.environ.get(PROGRAM_VARIABLE)
    root = Path(__file__).resolve().parent.parent
    path = Path(named) if named else root / ".venv-emulator" / "bin" / "ministack"
    if not os.access(path, os.X_OK):
        raise EmulatorError(
            f"the embedded AWS is not installed: there is no program {path}. "
            f"Run `make setup`, or name an installed `ministack` in {PROGRAM_VARIABLE}."
        )
    return path


class Emulator:
    """DynamoDB with Streams, S3, SNS, SQS, IAM and STS in one process; a context manager.

    With ``auth`` it checks signatures and policies. ``also`` names further services. ``pause`` waits between two health
    checks; raise from it to leave early. Entering blocks up to `START_TIMEOUT_S`, leaving up to `STOP_TIMEOUT_S`. All
    its files lie in ``folder``, which is removed with it.
    """

    def __init__(
        self, *, auth: bool = False, also: Sequence[str] = (), pause: Callable[[float], object] = time.sleep
    ) -> None:
        self._auth = auth
        self._services = (*SERVICES, *also)
        self._pause = pause
        self._child: Child | None = None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """The endpoint of every service."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int:
        """The server's process id."""
        if self._child is None:
            raise EmulatorError("the embedded AWS is not running")
        return self._child.pid

    @property
    def folder(self) -> Path:
        """A temporary folder that lives as long as the server."""
        if self._scratch is None:
            raise EmulatorError("the embedded AWS is not running")
        return Path(self._scratch.name)

    def environment(self) -> dict[str, str]:
        """The variables that point a client or the worker at this server. None of them is secret."""
        return client_environment(os.environ, self.url)

    def logs(self) -> str:
        """The last lines the server wrote, for error reports."""
        return self._child.last_lines(40) if self._child else ""

    def __enter__(self) -> Emulator:
        executable = program()
        self._scratch = tempfile.TemporaryDirectory(prefix="battery-watch-aws-", ignore_cleanup_errors=True)
        try:
            for left in range(ATTEMPTS - 1, -1, -1):
                # Another process may take the port before the server binds it. Then try another port.
                self.port = _free_port()
                self._child = Child([str(executable)], self._server_environment())
                if self._comes_up(self._child):
                    return self
                self._child.stop(STOP_TIMEOUT_S)
                if not left:
                    raise EmulatorError(f"the embedded AWS did not start. Its last lines:\n{self.logs()}")
        except BaseException:
            self._end()
            raise
        raise AssertionError("the loop returns or raises")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        if self._child is not None:
            self._child.stop(STOP_TIMEOUT_S)
        if self._scratch is not None:
            self._scratch.cleanup()

    def _comes_up(self, child: Child) -> bool:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and child.exit_code is None:
            if _healthy(self.port):
                return True
            self._pause(0.05)
        return False

    def _server_environment(self) -> dict[str, str]:
        scratch = str(self.folder)
        return {
            **scrubbed(os.environ),
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": LOOPBACK,
            "MINISTACK_HOST": LOOPBACK,
            "MINISTACK_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AUTH": "true" if self._auth else "false",
            "SERVICES": ",".join(self._services),
            "LOG_LEVEL": "WARNING",
            # Otherwise it listens on all addresses for services that nobody uses, and looks for containers to remove.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": f"unix://{scratch}/no-docker.sock",
            "TMPDIR": scratch,
            "STATE_DIR": f"{scratch}/state",
            "S3_DATA_DIR": f"{scratch}/s3",
        }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _healthy(port: int) -> bool:
    # http.client, because urllib would ask the proxy of the caller's environment.
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2.0)
    try:
        connection.request("GET", HEALTH_PATH)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
