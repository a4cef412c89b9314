"""What the last owner had proven idle (rule 24)."""

from __future__ import annotations

from consumer.intake.shards import Shards
from consumer.state.head import Head, ShardPosition
from consumer.state.snapshot import Snapshot
from consumer.stream.records import Decoder
from consumer.stream.source import ShardBatch, ShardOpened, Topology
from window.samples import Names

T = 1_784_989_500.0


class Reading:
    """Shards of a worker that begins at these positions of its head and windows; all are open."""

    def __init__(self, head: dict[str, ShardPosition], windows: dict[str, ShardPosition] | None = None) -> None:
        self.names = Names()
        kept = Snapshot(0, head if windows is None else windows, {}, {})
        self.shards = Shards.restore(Head(lane="table", owner="me", bundle="b", positions=head), kept, self.names)
        self.decoder = Decoder(table="t", device_key="device", devices=Names(), shards=self.names)
        for shard in head:
            self.shards.take(ShardOpened(shard, 0, None), T)
        self.shards.take(Topology(()), T)

    def page(self, shard: str, *seconds: int, asked_at: float = T) -> None:
        """Samples of these seconds; their numbers are the seconds too."""
        values = [{"ts": {"N": str(T + at)}, "current": {"N": "2"}, "temperature": {"N": "25"}} for at in seconds]
        records = [
            {
                "eventName": "INSERT",
                "dynamodb": {"SequenceNumber": str(at), "ApproximateCreationDateTime": T + at, "NewImage": item},
            }
            for at, item in zip(seconds, values, strict=True)
        ]
        page = self.decoder.page(shard, records)
        self.shards.take(ShardBatch(shard, 0, page.samples, page.sequence, {}, asked_at, full=False), T)

    def process(self) -> None:
        """All that the merge releases."""
        while (released := self.shards.merge.release()) is not None:
            self.shards.move_past(released)

    def idle(self, shard: str) -> float | None:
        """What the next head has of it, from `T` on."""
        at = self.shards.stored()["positions"][shard].idle
        return None if at is None else at - T


def at(second: int, idle: float | None = None) -> ShardPosition:
    """Processed up to the sample of that second."""
    return ShardPosition(sequence=str(second), stamp=T + second, idle=None if idle is None else T + idle)


def test_rule_24_a_proof_is_stored_only_while_nothing_waits_before_it() -> None:
    """A successor begins before what waits: the proof says nothing about that."""
    reading = Reading({"a": at(0), "b": at(0)})
    reading.page("a", 1)
    for asked_at in (3.0, 3.5, 4.0):
        reading.page("a", asked_at=T + asked_at)
    assert reading.idle("a") is None
    for asked_at in (9.0, 9.5, 10.0):
        reading.page("b", asked_at=T + asked_at)
    reading.process()
    assert (reading.idle("a"), reading.idle("b")) == (4.0, 10.0)
    reading.page("a", 5, 6)
    assert reading.idle("a") == 4.0


def test_rule_24_a_successor_trusts_a_proof_once_the_shard_is_read_again() -> None:
    """Until then, what it reads lies before the proof."""
    head = {"a": at(10, idle=400.0), "b": at(10, idle=500.0)}
    assert Reading(head).shards.merge.proof("a").until == T + 400.0
    reading = Reading(head, {"a": at(5), "b": at(10)})
    assert reading.shards.merge.proof("a").until < T
    assert reading.shards.merge.proof("b").until == T + 500.0
    reading.page("a", 6, 8, 10)
    reading.process()
    assert reading.shards.merge.proof("a").until < T
    for asked_at in (16.0, 16.5, 17.0):
        reading.page("a", asked_at=T + asked_at)
    reading.process()
    assert reading.shards.merge.proof("a").until == T + 400.0
