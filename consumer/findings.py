"""What a check found: fine, a note, or a fault with advice how to fix it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from botocore.exceptions import ClientError

from consumer.errors import AWS_ERRORS, ConfigurationError, Unavailable, may_pass
from reporting.sinks.archive import status


class State(Enum):
    """The result of a check."""

    FINE = "fine"
    NOTE = "note"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, and what to do if that is not fine. ``passing``: a fault that may pass by itself."""

    subject: str
    state: State
    found: str
    advice: str = ""
    passing: bool = False

    @property
    def sentence(self) -> str:
        """What was found, and the advice."""
        return f"{self.found.rstrip('.')}. {self.advice}".rstrip()


def require(findings: Iterable[Finding]) -> None:
    """Raise `ConfigurationError` that names every fault at once; `Unavailable` if all of them may pass."""
    faults = [finding for finding in findings if finding.state is State.FAULT]
    if not faults:
        return
    said = "cannot start:\n" + "\n".join(f"  {f.subject}: {f.sentence}" for f in faults)
    raise Unavailable(said) if all(f.passing for f in faults) else ConfigurationError(said)


def refused(subject: str, what: str, error: Exception, settings: str) -> Finding:
    """The finding for a call that AWS refused or did not answer. ``settings``: what to look at."""
    reason = str(error)
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        reason = {404: "does not exist", 403: f"access denied ({code})"}.get(status(error), str(error))
        if code in ("ResourceNotFoundException", "NotFound", "NotFoundException"):
            reason = "does not exist"
    else:
        settings = "the network, the region and AWS_ENDPOINT_URL"
    return Finding(subject, State.FAULT, f"{what}: {reason}", f"Check {settings}", passing=may_pass(error))


@contextmanager
def advised(what: str, settings: str) -> Iterator[None]:
    """Turn a failed call into `ConfigurationError` with advice. ``what`` was called; ``settings``: what to look at."""
    try:
        yield
    except AWS_ERRORS as error:
        raise ConfigurationError(refused("", what, error, settings).sentence) from error
