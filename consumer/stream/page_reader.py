"""Reads a page of a shard, and decides what an answer means. No single answer is final (rule 25)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from consumer.errors import BatteryWatchError, ConfigurationError, Expired, Retry, Trimmed, Vanished
from consumer.stream.client import Page, Streams
from consumer.stream.discovery import Discovery
from consumer.stream.envelope import Unnumbered
from consumer.stream.pages import batch_of
from consumer.stream.records import Decoder
from consumer.stream.service_time import ServiceTime
from consumer.stream.shard import RETRY_TO_S, Shard
from consumer.stream.source import Event, Failed, Gap, ShardBatch, ShardEnded, ShardGone
from consumer.stream.trouble import Trouble

PAGE = 1000
"""GetRecords returns so many records at most."""
POLL_S = 0.2
GONE_AFTER_S = 15 * 60.0
"""A shard that is listed and that the stream says it does not have counts as gone after this time, with a gap: the lane
waits for it meanwhile. So does a record that cannot be read because it has no sequence number."""
HORIZON_S = 23 * 3600.0
"""The stream keeps a record for 24 h. A record that is older than this lies near the horizon."""
BEHIND_GAP_S = 5.0
"""Reading goes on so long after a gap. After a long stop all shards are trimmed and come to that within seconds: their
gaps are one, if all of them come before the first record behind it."""
TRIMMED = "trimmed: the stream keeps 24 h"
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Calls:
    """What a page is read with."""

    streams: Streams
    decoder: Decoder
    time: ServiceTime


class PageReader:
    """Reads one page of any shard. Any thread may call, for different shards.

    ``publish``: takes the events. ``ask_listing``: asks for a listing at a time (monotonic seconds).
    """

    def __init__(
        self,
        calls: Calls,
        discovery: Discovery,
        trouble: Trouble,
        publish: Callable[[Event], None],
        ask_listing: Callable[[float], None],
    ) -> None:
        self._calls = calls
        self._discovery = discovery
        self._trouble = trouble
        self._publish = publish
        self._ask_listing = ask_listing

    def read(self, shard: Shard, now: float) -> float | ShardEnded | ShardGone:
        """Read one page. Blocks for the calls. Returns when the next one is due (monotonic seconds), or the event that
        says why there is none."""
        if self._has_ended(shard):
            return ShardEnded(shard.name, shard.epoch)
        asked = self._calls.time.asking()
        try:
            iterator = shard.take_iterator(self._calls.streams)
            limit = shard.limit(PAGE)
            if limit == 0:
                return now + POLL_S
            page = self._calls.streams.records(iterator, limit)
            self._calls.time.answered(page.served)
            batch = batch_of(shard, page, limit, self._calls.decoder, self._calls.time.at(asked))
        except ConfigurationError as error:
            shard.renewed = True
            self._publish(Failed(shard.name, str(error)))
            self._trouble.refused(shard.name, str(error))
            return now + RETRY_TO_S
        except Vanished as error:
            return self._miss(shard, now, str(error))
        except Trimmed:
            return self._trim(shard, now)
        except (Retry, Expired) as error:
            return self._fail(shard, error, now)
        return self._take(shard, page, batch, now)

    def _take(self, shard: Shard, page: Page, batch: ShardBatch | None, now: float) -> float | ShardEnded:
        if batch is not None:
            if shard.doubtful and (batch.samples.created[:1] < batch.asked_at - HORIZON_S).any():
                self._publish(Gap(shard.name, shard.epoch, None, TRIMMED))
            self._publish(batch)
        shard.iterator = page.next_iterator
        moved = batch is not None and len(batch.samples) > 0
        if page.next_iterator is None:
            return self._doubt_end(shard, now, moved=moved)
        shard.answered(moved=moved)
        self._trouble.answered(shard.name)
        self._discovery.trust(shard.name)
        return now if page.records else now + POLL_S

    def _fail(self, shard: Shard, error: BatteryWatchError, now: float) -> float:
        """A read has failed with a fault that may pass by itself. Returns when to read again."""
        again = shard.fail(now)
        if isinstance(error, Expired):
            shard.drop_iterator()
            if shard.failures.count == 1:
                # An iterator that was used for minutes expires by itself. A fresh one that does would be a hot loop.
                return now
        self._retry(shard, f"shard {shard.name} cannot be read: {error}", now, again)
        if isinstance(error, Unnumbered) and shard.failures.for_s(now) >= GONE_AFTER_S and not shard.skips:
            shard.skips = True
            self._publish(Gap(shard.name, shard.epoch, shard.position.sequence, str(error)))
        return again

    def _trim(self, shard: Shard, now: float) -> float:
        """The stream says that the next records are trimmed. It must say so for a while."""
        after = shard.position.sequence
        again = shard.trim(now)
        if again is None:
            self._publish(Gap(shard.name, shard.epoch, after, TRIMMED))
            return now + BEHIND_GAP_S
        self._retry(shard, f"shard {shard.name} cannot be read: its next records are said to be trimmed", now, again)
        return again

    def _miss(self, shard: Shard, now: float, reason: str) -> float | ShardEnded | ShardGone:
        """The stream says that it lacks a shard. That is true once the listings lack it as well. Until then it is a
        fault like others: one false answer must not end a shard that goes on."""
        missing_s = self._discovery.doubt(shard.name, now)
        if self._discovery.gone(shard.name) or missing_s >= GONE_AFTER_S:
            if shard.ends and self._discovery.over(shard.name):
                return ShardEnded(shard.name, shard.epoch)
            return ShardGone(shard.name, shard.epoch, reason)
        again = shard.fail(now)
        shard.drop_iterator()
        self._retry(shard, f"shard {shard.name} is listed, but cannot be read: {reason}", now, again)
        self._ask_listing(now)
        return again

    def _doubt_end(self, shard: Shard, now: float, *, moved: bool) -> float | ShardEnded:
        """A page had no next iterator. The shard has ended if a new iterator has none either and a listing confirms it.
        Until then it is read on behind its last record: one false answer must not end it."""
        again = shard.end(now, moved=moved)
        self._discovery.doubt(shard.name, now)
        if self._has_ended(shard):
            # No empty batch before it: a closed shard is never idle (rule 5). Newer records are in its children.
            return ShardEnded(shard.name, shard.epoch)
        if again > now:
            reason = f"shard {shard.name} has no next iterator, but no listing shows that it is closed"
            self._retry(shard, reason, now, again)
        self._ask_listing(now)
        return again

    def _has_ended(self, shard: Shard) -> bool:
        return shard.may_be_over and self._discovery.over(shard.name)

    def _retry(self, shard: Shard, reason: str, now: float, again: float) -> None:
        log.warning("reading a shard failed, will retry", shard=shard.name, error=reason, retry_in_s=again - now)
        self._trouble.failed(shard.name, reason, shard.failures.for_s(now))
