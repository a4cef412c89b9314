"""Empty pages in the middle of a catch-up, from the calls to the merge (rule 24)."""

from __future__ import annotations

from typing import Any

import pytest
from stream_rig import EPOCH, Reader, Shard, Stream

from consumer.intake.shards import Shards
from consumer.stream.client import Page
from consumer.stream.source import ShardBatch
from window.idle import LONG_AT_MOST_S
from window.merge import IDLE_SLACK_S
from window.samples import Names

HOURS_S = 2 * 3600.0
PAGE = 50


def backlog(stream: Stream, *shards: str) -> int:
    """Two hours of records, one every two seconds, in turn over the shards. Returns their number."""
    count = int(HOURS_S / 2.0)
    for n in range(count):
        stream.write(shards[n % len(shards)], created=EPOCH - HOURS_S + 2.0 * n)
    return count


def with_empty_pages(stream: Stream, shard: str, run: int, every: int) -> None:
    """Pages are small. At every so many records of a shard so many empty pages come before the next ones."""
    real, left = stream.records, dict.fromkeys(range(every, 10**5, every), run)

    def records(iterator: str, limit: int) -> Page:
        name, place, _ = iterator.split("@")
        if name == shard and left.get(int(place), 0) and int(place) < len(stream.shards[shard].records):
            left[int(place)] -= 1
            return Page([], stream._new(name, int(place)))
        return real(iterator, min(limit, PAGE))

    stream.records = records  # type: ignore[method-assign]


class Merged(Reader):
    """A reader whose events go to the shards of a lane, step by step."""

    def __init__(self, stream: Stream, **how: Any) -> None:
        super().__init__(stream, **how)
        self.shards = Shards(Names())
        self.released: list[float] = []
        self._taken = 0

    def follow(self, seconds: float) -> Merged:
        """Read for so long, and release what may leave after every step."""
        for _ in range(int(seconds / 0.2)):
            self.run(0.2)
            for event in self.events[self._taken :]:
                self.shards.take(event, EPOCH + self.now)
                while (run := self.shards.merge.release()) is not None:
                    self.released += run.stamp.tolist()
            self._taken = len(self.events)
        return self


@pytest.mark.parametrize(("run", "every"), [(5, PAGE), (7, 300), (140, 1000)])
def test_rule_24_empty_pages_in_a_two_hour_catch_up_lose_nothing(run: int, every: int) -> None:
    """They were taken for the tip of their shard: the other was processed past it, and 689 of 3,600 samples came too
    late for their window."""
    stream = Stream({"s1": Shard(), "s2": Shard()})
    count = backlog(stream, "s1", "s2")
    with_empty_pages(stream, "s1", run, every)
    reader = Merged(stream).follow(150.0)
    assert reader.shards.merge.broken == 0
    assert reader.released == sorted(reader.released)
    assert len(reader.released) == count


def test_rule_24_the_tip_is_proven_half_a_minute_after_a_catch_up_at_the_latest() -> None:
    """Also of a shard that had nothing for two hours. Then one empty page is enough."""
    stream = Stream({"s1": Shard(), "s2": Shard()})
    backlog(stream, "s1")
    reader = Merged(stream).follow(LONG_AT_MOST_S + 2.0)
    assert reader.shards.merge.watermark >= EPOCH + reader.now - IDLE_SLACK_S - 0.5
    stream.write("s1", created=EPOCH + reader.now)
    reader.follow(IDLE_SLACK_S + 1.0)
    assert len(reader.released) == HOURS_S / 2.0 + 1
    assert len(reader.said(ShardBatch)) > 100


@pytest.mark.parametrize("behind_s", [-600.0, 600.0])
def test_rule_24_a_host_whose_clock_is_wrong_breaks_no_promise(behind_s: float) -> None:
    """Ten minutes ahead, it promised that nothing would come that was written in the next ten minutes."""
    stream = Stream({"s1": Shard(), "s2": Shard()}, service_behind_s=behind_s)
    reader = Merged(stream).follow(40.0)
    for n in range(60):
        reader.follow(1.0)
        stream.write(("s1", "s2")[n % 7 == 0], created=float(int(EPOCH + reader.now - behind_s)))
    reader.follow(10.0)
    assert (reader.shards.merge.broken, len(reader.released)) == (0, 60)
