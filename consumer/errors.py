"""The errors, by what the code does about them. Each kind is handled in exactly one place.

The code that made the call handles `Retry`, within its budget; the command line `ConfigurationError` (exit code 2); the
worker `Fenced` (exit code 75). A record that is not a sample is no error: it is quarantined.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

AWS_ERRORS = (ClientError, BotoCoreError)
"""What a call of boto3 raises: AWS refused it, or did not answer."""


class BatteryWatchError(Exception):
    """The root of the tree. The message is for the user: what is wrong, where, and what to do."""


class ConfigurationError(BatteryWatchError):
    """The user must fix something outside the worker before it can run."""


class Retry(BatteryWatchError):
    """The same call may succeed later."""


class Fenced(BatteryWatchError):
    """Another worker owns the lane. This one must not commit any more."""


class Expired(BatteryWatchError):
    """A shard iterator has expired. Take a new one after the last record read."""


class Trimmed(BatteryWatchError):
    """The stream has dropped the requested records: they are older than 24 h."""


class Vanished(BatteryWatchError):
    """The shard or its stream does not exist any more."""


@contextmanager
def retryable(what: str) -> Iterator[None]:
    """Turn a failed call into `Retry`. ``what``: what was tried, as in "reading s3://bucket/key"."""
    try:
        yield
    except AWS_ERRORS as error:
        raise Retry(f"{what}: {error}") from error
