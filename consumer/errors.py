"""What can go wrong, sorted by what to do about it. Each kind is handled in exactly one place.

`Retry` by the code that made the call, within its budget; `ConfigurationError` by the command line (exit code 2);
`Fenced` by the worker (exit code 75). A record that is not a sample is no error: it is quarantined.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

AWS_ERRORS = (ClientError, BotoCoreError)
"""What a call of boto3 raises: AWS refused it, or gave no answer."""


class BatteryWatchError(Exception):
    """The root. The message is for the user: what is wrong, where, and what to do."""


class ConfigurationError(BatteryWatchError):
    """Something outside the worker must be fixed before it can run."""


class Retry(BatteryWatchError):
    """The same call may succeed later."""


class Fenced(BatteryWatchError):
    """Another worker owns the lane. This one must not commit again."""


class Expired(BatteryWatchError):
    """A shard iterator has expired. Take a new one at the position that was reached."""


class Trimmed(BatteryWatchError):
    """The records asked for are older than the stream keeps."""


class Vanished(BatteryWatchError):
    """The shard, or its stream, does not exist any more."""


@contextmanager
def retryable(what: str) -> Iterator[None]:
    """Turn a failed call into `Retry`. ``what`` says what was tried: "reading s3://bucket/key"."""
    try:
        yield
    except AWS_ERRORS as error:
        raise Retry(f"{what}: {error}") from error
