"""The end of a stream: it is replaced, turned off, or its table is gone. No single answer tells which (rule 25)."""

from __future__ import annotations

import structlog

from consumer.errors import ConfigurationError, Retry, Vanished
from consumer.stream.client import Streams
from consumer.stream.shard import Failures

MISSING_FOR_S, MISSING_ANSWERS = 60.0, 4
"""The stream does not exist any more when the listings have said so for this long, so many times."""
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
        self.reason = ""
        self.superseded = False

    def listed(self, *, ended: bool) -> None:
        """The shards were listed. ``ended``: all of them are closed and read. Blocks for a call if they are."""
        self._missing = Failures()
        if ended:
            self._find_out()
        else:
            self.reason, self.superseded, self._without_table = "", False, 0

    def missing(self, now: float) -> bool:
        """The listing has failed because there is no such stream. True once that is certain; then it blocks for a
        call."""
        self._missing.add(now)
        certain = self._missing.count >= MISSING_ANSWERS and self._missing.for_s(now) >= MISSING_FOR_S
        if certain:
            self._find_out()
        return certain

    def _find_out(self) -> None:
        """Nothing is written to this stream any more: does the table have a newer one? A reader that kept the old
        positions would skip every record of it, as EventBridge Pipes does."""
        over = "nothing is written to the table's stream any more"
        try:
            self.superseded = any(label > self._streams.label for label in self._streams.labels())
        except Vanished as error:
            self._without_table += 1
            if self._without_table >= TABLE_ANSWERS:
                over = f"the table is gone, and its stream is read to its end ({error})"
            elif self.reason:
                over = self.reason
        except (Retry, ConfigurationError) as error:
            log.warning("listing the table's streams failed, will retry", error=str(error))
            over = self.reason or over
        else:
            self._without_table = 0
            over = (
                "the table has a new stream, and this one is read to its end"
                if self.superseded
                else "the table's stream is turned off, and read to its end: turn it on again with new images"
            )
        self.reason = over
