"""What can go wrong, sorted by what to do about it. Each kind is handled in exactly one place.

`Retry` by the code that made the call, within its budget; `ConfigurationError` by the command line (exit code 2);
`Fenced` by the worker (exit code 75). A record that is not a sample is no error: it is quarantined.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, SSLError
from botocore.exceptions import ConnectionError as BotoConnectionError

AWS_ERRORS = (ClientError, BotoCoreError)
"""What a call of boto3 raises: AWS refused it, or gave no answer."""


class BatteryWatchError(Exception):
    """The root. The message is for the user: what is wrong, where, and what to do."""


class ConfigurationError(BatteryWatchError):
    """Something outside the worker must be fixed before it can run."""


class Retry(BatteryWatchError):
    """The same call may succeed later."""


class Unavailable(Retry):
    """AWS, or the way to it, is down. It may come back by itself."""


class Fenced(BatteryWatchError):
    """Another worker owns the lane. This one must not commit again."""


class Expired(BatteryWatchError):
    """A shard iterator has expired. Take a new one at the position that was reached."""


class Trimmed(BatteryWatchError):
    """The records asked for are older than the stream keeps."""


class Vanished(BatteryWatchError):
    """The shard, or its stream, does not exist any more."""


THROTTLED = frozenset({"Throttling", "ThrottlingException", "Throttled", "SlowDown", "RequestLimitExceeded"})


def may_pass(error: BaseException | None) -> bool:
    """May a failed call of boto3 succeed later, with nothing put right? Where nobody answers, AWS is taken to be down:
    that the network, the region or the endpoint is wrong looks the same."""
    if isinstance(error, ClientError):
        answer = error.response
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or status == 429 or answer.get("Error", {}).get("Code") in THROTTLED
    return isinstance(error, HTTPClientError | BotoConnectionError) and not isinstance(error, SSLError)


@contextmanager
def retryable(what: str) -> Iterator[None]:
    """Turn a failed call into `Retry`. ``what`` says what was tried: "reading s3://bucket/key"."""
    try:
        yield
    except AWS_ERRORS as error:
        raise Retry(f"{what}: {error}") from error
