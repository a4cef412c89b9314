"""The result of a check: fine, a note, or a fault with advice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from botocore.exceptions import ClientError

from consumer.errors import AWS_ERRORS, ConfigurationError
from reporting.sinks.archive import status


class State(Enum):
    """How a check ended."""

    FINE = "fine"
    NOTE = "note"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, and what to do if that is not fine."""

    subject: str
    state: State
    found: str
    advice: str = ""

    @property
    def sentence(self) -> str:
        """What was found, and the advice."""
        return f"{self.found.rstrip('.')}. {self.advice}".rstrip()


def require(findings: Iterable[Finding]) -> None:
    """Raise one `ConfigurationError` with all faults, if there are any."""
    faults = [f"  {f.subject}: {f.sentence}" for f in findings if f.state is State.FAULT]
    if faults:
        raise ConfigurationError("cannot start:\n" + "\n".join(faults))


def refused(subject: str, what: str, error: Exception, settings: str) -> Finding:
    """The fault of a call that AWS refused or did not answer. ``settings``: what to check."""
    reason = str(error)
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        reason = {404: "does not exist", 403: f"access denied ({code})"}.get(status(error), str(error))
        if code in ("ResourceNotFoundException", "NotFound", "NotFoundException"):
            reason = "does not exist"
    else:
        settings = "the network, the region and AWS_ENDPOINT_URL"
    return Finding(subject, State.FAULT, f"{what}: {reason}", f"Check {settings}")


@contextmanager
def advised(what: str, settings: str) -> Iterator[None]:
    """Turn a failed call into `ConfigurationError` with advice. ``what``: the call; ``settings``: what to check."""
    try:
        yield
    except AWS_ERRORS as error:
        raise ConfigurationError(refused("", what, error, settings).sentence) from error
