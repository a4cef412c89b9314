"""A stream of one shard, answered in this process: boto3's own client sends the request and parses the bytes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson
from botocore.awsrequest import AWSResponse

from benchmarks.charges import SHARD, TABLE

LABEL = "2026-01-01T00:00:00.000"
ARN = f"arn:aws:dynamodb:us-east-1:123456789012:table/{TABLE}/stream/{LABEL}"
DAWN = b'"1"'


class Tape:
    """Pages that wait to be read. ``refill`` is asked for one where none does. Where time is not that of the records,
    it must not be empty: a shard that is read to its tip is taken to be there, and what comes then to be new."""

    def __init__(self, refill: Callable[[], list[bytes]]) -> None:
        self._pages: deque[list[bytes]] = deque()
        self._refill = refill
        self.answered_s = 0.0
        """When the last page was handed over (`time.process_time`)."""

    def feed(self, pages: Sequence[list[bytes]]) -> None:
        """Let these be read next."""
        self._pages.extend(pages)

    def attach(self, client: Any) -> None:
        """Have the client's calls answered here: nothing leaves the process."""
        client.meta.events.register("before-send.dynamodb-streams", self._answer)

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        operation = request.headers["X-Amz-Target"].decode().rsplit(".", 1)[1]
        body = getattr(self, f"_{operation}")()
        headers = {"content-type": "application/x-amz-json-1.0", "x-amzn-requestid": "0"}
        return AWSResponse(request.url, 200, headers, _Raw(body))  # type: ignore[arg-type]

    def _DescribeStream(self) -> bytes:  # noqa: N802
        shard = {"ShardId": SHARD, "SequenceNumberRange": {"StartingSequenceNumber": "1"}}
        return orjson.dumps({"StreamDescription": {"StreamArn": ARN, "Shards": [shard]}})

    def _GetShardIterator(self) -> bytes:  # noqa: N802
        return b'{"ShardIterator":' + DAWN + b"}"

    def _GetRecords(self) -> bytes:  # noqa: N802
        page = self._pages.popleft() if self._pages else self._refill()
        body = b'{"Records":[' + b",".join(page) + b'],"NextShardIterator":' + DAWN + b"}"
        if page:
            self.answered_s = time.process_time()
        return body


class _Raw:
    """The body of an answer as botocore reads it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        yield self._body
