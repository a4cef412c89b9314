"""The end of a stream: it is replaced, turned off, or its table is gone. No single answer tells which (rule 25)."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from consumer.errors import ConfigurationError, Retry, Vanished
from consumer.stream.client import Streams
from consumer.stream.shard import Failures

MISSING_FOR_S, MISSING_ANSWERS = 60.0, 4
"""The stream does not exist any more when the listings have said so for this long, so many times, and the table does
not name it."""
TABLE_ANSWERS = 3
"""The table is gone after this many answers in a row that say so."""
log = structlog.get_logger(__name__)


class StreamEnd:
    """Whether the stream is over, and why. Times are monotonic seconds.

    ``reason``: for a person; empty while the stream goes on. ``superseded``: the table has a newer stream.
    """

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._missing = Failures()
        self._without_table = 0
        self._gone = ""
        self.reason = ""
        self.superseded = False

    def listed(self, *, ended: bool) -> None:
        """The shards were listed. ``ended``: all of them are closed and read. Blocks for a call if they are."""
        self._missing = Failures()
        if ended:
            self._judge(self._labels())
        else:
            self.reason, self.superseded, self._without_table = "", False, 0

    def missing(self, now: float) -> bool:
        """The listing has failed because there is no such stream. True once that is certain: it has been said for a
        while, and the table does not name the stream either. Then it blocks for a call."""
        self._missing.add(now)
        if self._missing.count < MISSING_ANSWERS or self._missing.for_s(now) < MISSING_FOR_S:
            return False
        labels = self._labels()
        if labels is None or self._streams.label in labels:
            return False
        self._judge(labels)
        return True

    def _labels(self) -> Sequence[str] | None:
        """The labels of the table's streams; none if the table is gone, None if that cannot be told now."""
        try:
            labels = self._streams.labels()
        except Vanished as error:
            self._without_table += 1
            if self._without_table < TABLE_ANSWERS:
                return None
            self._gone = str(error)
            return ()
        except (Retry, ConfigurationError) as error:
            log.warning("listing the table's streams failed, will retry", error=str(error))
            return None
        self._without_table, self._gone = 0, ""
        return labels

    def _judge(self, labels: Sequence[str] | None) -> None:
        """Nothing is written to this stream any more: does the table have a newer one? A reader that kept the old
        positions would skip every record of it, as EventBridge Pipes does."""
        if labels is None:
            self.reason = self.reason or "nothing is written to the table's stream any more"
            return
        self.superseded = any(label > self._streams.label for label in labels)
        if self._gone:
            self.reason = f"the table is gone, and its stream is read to its end ({self._gone})"
        elif self.superseded:
            self.reason = "the table has a new stream, and this one is read to its end"
        else:
            self.reason = "the table's stream is turned off, and read to its end: turn it on again with new images"
