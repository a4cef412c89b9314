"""What a service may do to a call, and when."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from proxy import Answer, Call, Fault, Faults, Pass


@dataclass(frozen=True, slots=True)
class Answered:
    """The service is not asked; this is the answer."""

    name: str
    answer: Answer

    def __call__(self, call: Call, ask: Pass) -> Answer:
        """See `proxy.Fault`."""
        return self.answer


@dataclass(frozen=True, slots=True)
class EmptyPage:
    """A page without records, though there are some, and an iterator to go on with. The API may answer any number of
    them."""

    name: str = "empty page"

    def __call__(self, call: Call, ask: Pass) -> Answer:
        """See `proxy.Fault`. Only for GetRecords."""
        return Answer.of_json(200, {"Records": [], "NextShardIterator": call.asked["ShardIterator"]})


@dataclass(frozen=True, slots=True)
class Lacking:
    """The page lacks the records of these ``ts``, as if they had never been written: what nobody could notice from the
    stream alone."""

    ts: frozenset[int]
    name: str = "lacking"

    def __call__(self, call: Call, ask: Pass) -> Answer:
        """See `proxy.Fault`. Only for GetRecords."""
        answer = ask()
        page = json.loads(answer.body)
        page["Records"] = [r for r in page.get("Records", []) if float(r["dynamodb"]["Keys"]["ts"]["N"]) not in self.ts]
        return Answer.of_json(answer.status, page)


@dataclass(frozen=True, slots=True)
class Delayed:
    """The call takes so many seconds longer."""

    seconds: float
    name: str = "delayed"

    def __call__(self, call: Call, ask: Pass) -> Answer:
        """See `proxy.Fault`."""
        time.sleep(self.seconds)
        return ask()


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection ends without an answer. ``asked``: the service has carried the call out."""

    asked: bool
    name: str = "cut"

    def __call__(self, call: Call, ask: Pass) -> None:
        """See `proxy.Fault`."""
        if self.asked:
            ask()


def _refused(code: str, status: int = 400, prefix: str = "com.amazonaws.dynamodb.v20120810#") -> Answered:
    return Answered(code, Answer.of_json(status, {"__type": f"{prefix}{code}", "message": "said by a faulty service"}))


def _xml(code: str, status: int) -> Answered:
    """As S3 and SNS refuse."""
    error = f"<Error><Code>{code}</Code><Message>Please try again.</Message></Error>"
    body = f"<ErrorResponse>{error}</ErrorResponse>" if code in ("Throttling", "InternalFailure") else error
    return Answered(code, Answer(status, body.encode(), {"Content-Type": "application/xml"}))


NOT_FOUND = _refused("ResourceNotFoundException")
EXPIRED = _refused("ExpiredIteratorException")
TRIMMED = _refused("TrimmedDataAccessException")
LIMITED = _refused("LimitExceededException")
THROTTLED = _refused("ThrottlingException", prefix="com.amazon.coral.availability#")
INTERNAL = _refused("InternalServerError", 500)
UNAVAILABLE = Answered("no JSON, 503", Answer(503, b"<html>Service Unavailable</html>", {"Content-Type": "text/html"}))
NO_JSON = Answered("no JSON", Answer(200, b"<html>Welcome to the hotel</html>", {"Content-Type": "text/html"}))
EMPTY_PAGE = EmptyPage()
CUT = Cut(asked=False)
LOST_ANSWER = Cut(asked=True, name="lost answer")
SLOW_DOWN = _xml("SlowDown", 503)
S3_INTERNAL = _xml("InternalError", 500)
SNS_THROTTLED = _xml("Throttling", 400)
SNS_INTERNAL = _xml("InternalFailure", 500)


class Once:
    """For ``operation``: after ``healthy`` good calls the next ``times`` calls have ``fault``, all later ones none."""

    def __init__(self, operation: str, fault: Fault, *, healthy: int = 0, times: int = 1) -> None:
        self._operation = operation
        self._fault = fault
        self._healthy = healthy
        self._left = times

    @property
    def done(self) -> bool:
        """It has happened as often as it was to happen."""
        return self._left == 0

    def __call__(self, call: Call) -> Fault | None:
        """See `proxy.Faults`."""
        if call.operation != self._operation or self.done:
            return None
        if self._healthy > 0:
            self._healthy -= 1
            return None
        self._left -= 1
        return self._fault


class Seeded:
    """Of each service's calls the share ``rates[service]`` has one of ``kinds[service]``, drawn from a seed. A key of
    both may name one operation too: ``s3 PUT``."""

    def __init__(self, seed: int, rates: Mapping[str, float], kinds: Mapping[str, Sequence[Fault]]) -> None:
        self._rng = Random(seed)
        self._rates = rates
        self._kinds = kinds

    def __call__(self, call: Call) -> Fault | None:
        """See `proxy.Faults`."""
        named = f"{call.service} {call.operation}"
        of = named if named in self._rates else call.service
        if self._rng.random() >= self._rates.get(of, 0.0):
            return None
        fault = self._rng.choice(self._kinds[of])
        return None if fault in (EMPTY_PAGE, EXPIRED) and call.operation != "GetRecords" else fault


def both(*each: Faults) -> Faults:
    """The first of them that has a fault for a call."""
    return lambda call: next((fault for one in each if (fault := one(call)) is not None), None)
