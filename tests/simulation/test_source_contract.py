"""What every source promises (`consumer.stream.source`): the same questions to each kind of source."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from sim_sources import EmulatedShards, Lie, Positions, Rig, SimulatedShards, Stepped, Threaded, quick

from consumer.stream import discovery
from consumer.stream.discovery import Start
from consumer.stream.source import (
    Event,
    Failed,
    Gap,
    Position,
    ShardBatch,
    ShardEnded,
    ShardGone,
    ShardLost,
    ShardOpened,
    Topology,
)

PATIENCE = 500
_tables = count()


@pytest.fixture(params=["direct, stepped", "direct, threads", "direct, threads, emulator"])
def rig(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """Each way to make a source."""
    made: Rig
    if request.param == "direct, stepped":
        made = Stepped(SimulatedShards(dated=True))
    else:
        quick(monkeypatch)
        emulated = request.param.endswith("emulator")
        made = Threaded(
            EmulatedShards(request.getfixturevalue("emulator"), f"source-{next(_tables)}")
            if emulated
            else SimulatedShards()
        )
    yield made
    made.end()


class Listener:
    """Begins a source, gives every shard that opens ``credit``, and keeps all events."""

    def __init__(
        self, rig: Rig, *, start: Start = "trim_horizon", positions: Positions | None = None, credit: int = 1000
    ) -> None:
        self._rig = rig
        self._credit = credit
        self.events: list[Event] = []
        self.source = rig.source(start=start, positions=positions)
        self.source.begin()

    def until(self, reached: Callable[[], bool]) -> Listener:
        """Listen until something is so."""
        for _ in range(PATIENCE):
            self._poll()
            if reached():
                return self
            self._rig.wait(self.source)
        raise AssertionError(f"it does not come; there were {self.events}")

    def until_read(self, records: int) -> Listener:
        """Listen until so many records have come."""
        return self.until(lambda: len(self.read) >= records)

    def until_said(self, kind: type) -> Listener:
        """Listen until there is an event of this kind."""
        return self.until(lambda: bool(self.said(kind)))

    def until_rest(self) -> Listener:
        """Listen to all that comes by itself."""
        self._rig.rest(self.source)
        self._poll()
        return self

    def said(self, *kinds: type) -> list[Any]:
        """The events of these kinds, in order."""
        return [event for event in self.events if isinstance(event, kinds)]

    @property
    def read(self) -> list[float]:
        """The ``ts`` of all records, in order."""
        return [float(ts) for batch in self.said(ShardBatch) for ts in batch.samples.ts]

    @property
    def shard(self) -> ShardOpened:
        """The first shard."""
        opened: ShardOpened = self.said(ShardOpened)[0]
        return opened

    def positions(self) -> dict[str, Position]:
        """Where to go on after these events."""
        at: dict[str, Position] = {}
        for event in self.events:
            match event:
                case ShardOpened():
                    at.setdefault(event.shard, Position(None, event.since))
                case ShardBatch() if len(event.sequence):
                    at[event.shard] = Position(str(event.sequence[-1]))
                case ShardEnded():
                    at[event.shard] = replace(at[event.shard], ended=True)
        return at

    def _poll(self) -> None:
        for event in self.source.poll(0.0):
            self.events.append(event)
            if isinstance(event, ShardOpened) and self._credit:
                self.source.credit(event.shard, event.epoch, self._credit)


# Records


def test_from_the_horizon_every_record_comes_once_and_in_order(rig: Rig) -> None:
    """Those that were there, and those that are written while the source reads."""
    written = rig.stream.put(5)
    listener = Listener(rig).until_read(5)
    written += rig.stream.put(3)
    assert listener.until_read(8).until_rest().read == written


def test_after_a_sequence_every_later_record_comes_once_and_in_order(rig: Rig) -> None:
    """Neither the last one again nor one too far, whatever ``start`` says."""
    written = rig.stream.put(6)
    first = Listener(rig, credit=4).until_read(4)
    rig.quiesce(first.source, 5.0)
    second = Listener(rig, start="latest", positions=first.positions()).until_read(2)
    assert (first.read, second.until_rest().read) == (written[:4], written[4:])


def test_at_the_latest_only_what_is_written_later_comes(rig: Rig) -> None:
    """And the opening says since when."""
    rig.stream.put(3)
    listener = Listener(rig, start="latest").until_said(ShardBatch)
    written = rig.stream.put(3)
    assert listener.until_read(3).until_rest().read == written
    assert listener.shard.since is not None


def test_every_record_has_the_sequence_of_its_own(rig: Rig) -> None:
    """As many numbers as samples, and they grow: a position is one of them."""
    rig.stream.put(7)
    batches = Listener(rig).until_read(7).said(ShardBatch)
    assert all(len(batch.samples) == len(batch.sequence) for batch in batches)
    numbers = [int(number) for batch in batches for number in batch.sequence]
    assert numbers == sorted(set(numbers))


# The graph of shards


def test_a_parent_ends_before_its_child_opens(rig: Rig) -> None:
    """And all of its records come before those of the child."""
    written = rig.stream.put(3)
    rig.stream.roll_over()
    written += rig.stream.put(3)
    listener = Listener(rig).until_read(6)
    parent, child = listener.said(ShardOpened)
    assert (child.parent, listener.read) == (parent.shard, written)
    order = listener.said(ShardOpened, ShardEnded)
    assert [type(event) for event in order] == [ShardOpened, ShardEnded, ShardOpened]


def test_the_first_complete_listing_comes_after_the_openings(rig: Rig) -> None:
    """It names the shards that were opened: before it, one that nobody knows of could hold everything."""
    rig.stream.put(1)
    listener = Listener(rig).until_said(Topology)
    opened, topology, *again = listener.said(ShardOpened, Topology)
    assert isinstance(opened, ShardOpened)
    assert all(each == topology for each in again)
    assert [node.shard for node in topology.shards] == [opened.shard]


def test_an_ended_shard_says_so_once_after_its_last_record(rig: Rig) -> None:
    """After it the shard says nothing any more."""
    rig.stream.put(3)
    rig.stream.roll_over()
    listener = Listener(rig).until_said(ShardEnded).until_rest()
    of_parent = [event for event in listener.events if getattr(event, "shard", "") == listener.shard.shard]
    assert [type(event) for event in of_parent].count(ShardEnded) == 1
    assert isinstance(of_parent[-1], ShardEnded)
    assert len(listener.read) == 3


# Credit and epochs


def test_without_credit_no_record_comes(rig: Rig) -> None:
    """Nothing is dropped to relieve pressure: the shard is not read."""
    rig.stream.put(3)
    listener = Listener(rig, credit=0).until_said(ShardOpened).until_rest()
    assert listener.read == []


def test_no_more_records_come_than_there_is_credit_for(rig: Rig) -> None:
    """It adds up, and what was not used may be taken back."""
    written = rig.stream.put(12)
    listener = Listener(rig, credit=5).until_read(5).until_rest()
    assert listener.read == written[:5]
    shard = listener.shard
    listener.source.credit(shard.shard, shard.epoch, -2)
    listener.source.credit(shard.shard, shard.epoch, 6)
    assert listener.until_read(9).until_rest().read == written[:9]


def test_credit_of_an_epoch_that_is_over_is_void(rig: Rig) -> None:
    """It may come late; so may credit of a shard that nobody reads."""
    rig.stream.put(3)
    listener = Listener(rig, credit=0).until_said(ShardOpened)
    listener.source.credit(listener.shard.shard, listener.shard.epoch - 1, 100)
    listener.source.credit("shardId-00000000000000000000-nobody", listener.shard.epoch, 100)
    assert listener.until_rest().read == []


def test_an_acknowledgement_of_an_epoch_that_is_over_is_void(rig: Rig) -> None:
    """It is no error, and reading goes on as before."""
    written = rig.stream.put(3)
    listener = Listener(rig).until_read(3)
    shard, position = listener.shard, listener.positions()[listener.shard.shard]
    assert position.sequence is not None
    listener.source.ack(shard.shard, shard.epoch - 1, position.sequence)
    listener.source.ended(shard.shard, shard.epoch - 1)
    written += rig.stream.put(2)
    assert listener.until_read(5).until_rest().read == written


# Time


def test_an_empty_batch_says_a_time_before_it_was_asked_for(rig: Rig) -> None:
    """A record that is written while the answer is on its way is not covered by it (rule 5)."""
    listener = Listener(rig).until_said(ShardBatch)
    written = rig.put_during_a_call()
    batches = listener.until_read(1).said(ShardBatch)
    before = [batch for batch in batches if batch.asked_at <= written]
    (at,) = [n for n, batch in enumerate(batches) if len(batch.samples)]
    assert batches[:at] == before[:at]
    assert all(not batch.full for batch in batches)


def test_nothing_blocks_longer_than_its_time_out(rig: Rig) -> None:
    """Also while the stream does not answer."""
    listener = Listener(rig).until_said(ShardOpened)
    shard = listener.shard
    with rig.hang():
        listener.until_rest()
        for call, most_s in (
            (lambda: listener.source.poll(0.0), 0.0),
            (lambda: listener.source.poll(0.1), 0.1),
            (listener.source.health, 0.0),
            (lambda: listener.source.credit(shard.shard, shard.epoch, 1), 0.0),
            (lambda: listener.source.ack(shard.shard, shard.epoch, "1"), 0.0),
            (lambda: listener.source.ended(shard.shard, shard.epoch), 0.0),
            (lambda: listener.source.quiesce(0.1), 0.1),
            (lambda: listener.source.close(0.1), 0.1),
        ):
            begun = time.monotonic()
            call()
            assert time.monotonic() - begun < most_s + 0.5


# Health


def test_it_is_alive_while_it_reads_and_not_in_trouble(rig: Rig) -> None:
    """Also where nothing is written."""
    listener = Listener(rig).until_said(Topology).until_rest()
    health = listener.source.health()
    assert (health.alive, health.trouble, health.superseded) == (True, "", False)
    assert health.idle_s < 5.0


def test_it_is_not_alive_once_a_reader_has_died(rig: Rig) -> None:
    """Running but dead is the worst of all."""
    listener = Listener(rig).until_said(ShardOpened)
    rig.kill_a_reader()
    listener.until(lambda: not listener.source.health().alive)


def test_trouble_is_said_and_goes(rig: Rig) -> None:
    """A right is taken away and given back; what was written meanwhile comes."""
    listener = Listener(rig).until_said(Topology)
    rig.refuse("access denied")
    listener.until(lambda: "access denied" in listener.source.health().trouble)
    written = rig.stream.put(2)
    rig.refuse("")
    listener.until_read(2).until(lambda: not listener.source.health().trouble)
    assert listener.until_rest().read == written


# One answer is not final (rule 25)


@pytest.mark.parametrize("lie", ["gone", "expired", "trimmed", "ended", "unnumbered"])
def test_rule_25_one_false_answer_loses_nothing_and_says_nothing(rig: Rig, lie: Lie) -> None:
    """Every record comes once and in order, before it and after it."""
    written = rig.stream.put(3)
    listener = Listener(rig).until_read(3)
    rig.lie(lie)
    written += rig.stream.put(3)
    listener.until_read(6)
    written += rig.stream.put(2)
    assert listener.until_read(8).until_rest().read == written
    assert listener.said(Gap, ShardGone, ShardEnded, ShardLost, Failed) == []
    assert listener.source.health().trouble == ""


# What the stream no longer has


def test_trimmed_records_are_a_gap_and_reading_goes_on_at_the_horizon(rig: Rig) -> None:
    """The gap begins after the last record that was read, and comes before the next."""
    written = rig.stream.put(6)
    listener = Listener(rig, credit=2).until_read(2)
    rig.stream.trim()
    later = rig.stream.put(2)
    listener.source.credit(listener.shard.shard, listener.shard.epoch, 10)
    listener.until_read(4)
    assert listener.until_rest().read == written[:2] + later
    (gap,) = listener.said(Gap)
    first, second = [batch for batch in listener.said(ShardBatch) if len(batch.samples)]
    assert (gap.shard, gap.epoch, gap.after) == (first.shard, first.epoch, str(first.sequence[-1]))
    order = [type(event) for event in listener.events if event is gap or event is first or event is second]
    assert order == [ShardBatch, Gap, ShardBatch]


def test_records_trimmed_while_nobody_read_are_a_gap(rig: Rig) -> None:
    """The same after a restart from a position that the stream no longer has."""
    rig.stream.put(6)
    first = Listener(rig, credit=2).until_read(2)
    rig.quiesce(first.source, 5.0)
    rig.stream.trim()
    later = rig.stream.put(2)
    second = Listener(rig, positions=first.positions()).until_read(2).until_rest()
    assert second.read == later
    assert [gap.after for gap in second.said(Gap)] == [at.sequence for at in first.positions().values()]


def test_a_shard_that_the_stream_has_no_more_is_gone(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not lost to another reader, did not end; its child is read. (Listings need not lack it for a minute.)"""
    monkeypatch.setattr(discovery, "GONE_S", 0.0)
    rig.stream.put(5)
    listener = Listener(rig, credit=2).until_read(2)
    rig.stream.roll_over()
    later = rig.stream.put(2)
    rig.stream.delete(listener.shard.shard)
    listener.source.credit(listener.shard.shard, listener.shard.epoch, 10)
    listener.until_read(4).until_rest()
    assert listener.read[2:] == later
    assert [event.shard for event in listener.said(ShardGone)] == [listener.shard.shard]
    assert listener.said(ShardLost, ShardEnded) == []


# The end


def test_quiesce_stops_the_reading(rig: Rig) -> None:
    """What is written later does not come. Events not polled are void: who goes on from what was polled reads the rest,
    each record once."""
    written = rig.stream.put(4)
    listener = Listener(rig).until_read(4)
    written += rig.stream.put(2)
    rig.quiesce(listener.source, 5.0)
    late = rig.stream.put(2)
    rig.rest(listener.source)
    stale = [
        float(ts) for event in listener.source.poll(0.0) if isinstance(event, ShardBatch) for ts in event.samples.ts
    ]
    assert set(stale).isdisjoint(late)
    second = Listener(rig, positions=listener.positions()).until_read(4).until_rest()
    assert listener.read + second.read == written + late


def test_after_quiesce_acknowledgements_are_taken(rig: Rig) -> None:
    """The last commits come after it: those of an open shard and the end of another."""
    rig.stream.put(3)
    listener = Listener(rig).until_read(3)
    rig.quiesce(listener.source, 5.0)
    batch = next(batch for batch in listener.said(ShardBatch) if len(batch.sequence))
    listener.source.ack(batch.shard, batch.epoch, str(batch.sequence[-1]))
    listener.source.ended(batch.shard, batch.epoch)
    listener.source.close(5.0)


def test_close_may_be_called_twice(rig: Rig) -> None:
    """Also where nothing was read."""
    listener = Listener(rig)
    rig.quiesce(listener.source, 5.0)
    listener.source.close(5.0)
    listener.source.close(5.0)
