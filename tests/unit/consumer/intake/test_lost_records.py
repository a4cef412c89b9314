"""The shards of a lane, where something is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from consumer.intake.gaps import STREAM_KEEPS_S
from consumer.intake.shards import Shards
from consumer.state.head import Gap as TableGap
from consumer.state.head import Head, ShardPosition
from consumer.state.snapshot import Snapshot
from consumer.stream.records import Decoder
from consumer.stream.source import Gap, ShardBatch, ShardGone, ShardNode, ShardOpened, Topology
from window.released import Released
from window.samples import Names

T = 1_784_989_500.0
LATER = T + STREAM_KEEPS_S + 3600.0


class Rig:
    """Shards fed by hand."""

    def __init__(self, head: Head, snapshot: Snapshot | None = None) -> None:
        self.names = Names()
        self.decoder = Decoder(table="device4", device_key="device", devices=Names(), shards=self.names)
        self.shards = Shards.restore(head, snapshot, self.names)
        self.told: list[str] = []

    def take(self, event: Any, now: float = LATER) -> Rig:
        self.told += [f"{notice.type} {notice.state}" for notice in self.shards.take(event, now)]
        return self

    def open(self, *shards: str, parent: str | None = None, now: float = LATER) -> Rig:
        for shard in shards:
            self.take(ShardOpened(shard, 0, parent), now)
        return self.take(Topology(tuple(ShardNode(shard, parent, False) for shard in shards)), now)

    def batch(self, shard: str, *records: Any) -> Rig:
        decoded = self.decoder.page(shard, records)
        return self.take(ShardBatch(shard, 0, decoded.samples, decoded.sequence, {}, LATER, full=False))

    def items(self, gap: TableGap, *times: float) -> Rig:
        values = [{"ts": {"N": repr(ts)}, "current": {"N": "1"}, "temperature": {"N": "20"}} for ts in times]
        self.shards.take_items(gap, self.decoder.items(gap.name, values))
        return self

    def process(self) -> list[float]:
        run = self.shards.merge.release()
        if run is None:
            return []
        self.shards.move_past(run)
        return [float(ts) for ts in run.samples.ts]

    @property
    def gap(self) -> TableGap:
        (gap,) = self.shards.gaps.open
        return gap


def head(watermark: float = T, gaps: tuple[TableGap, ...] = (), **positions: ShardPosition) -> Head:
    return Head(
        lane="table", owner="me", bundle="b", commit=9, watermark=watermark, gaps=list(gaps), positions=positions
    )


def read(sequence: int = 50, stamp: float = T, *, ended: bool = False) -> ShardPosition:
    return ShardPosition(sequence=str(sequence), stamp=stamp, ended=ended)


def stood(**positions: ShardPosition) -> Snapshot:
    return Snapshot(8, positions, {}, {})


@pytest.fixture
def lost() -> Rig:
    """A shard that was trimmed behind its position."""
    here = head(a=read())
    return Rig(here, stood(a=read())).open("a").take(Gap("a", 0, "50", "trimmed"))


def test_a_gap_is_no_shard_that_gets_credit(lost: Rig) -> None:
    """Nobody reads it; the shards are read on."""
    assert [*lost.shards.grants(idle=True)] == ["a"]


def test_reading_goes_on_at_the_horizon_after_a_restart_too(lost: Rig) -> None:
    """The position that was trimmed is forgotten, and the windows are stored with that at once."""
    assert lost.shards.positions["a"] == ShardPosition(stamp=T)
    assert lost.shards.losses.rebased
    lost.shards.losses.next_commit(windows=True)
    assert not lost.shards.losses.rebased


def test_a_gap_ends_where_the_shard_goes_on_that_lost_something(record: Callable[..., Any]) -> None:
    """Records of another shard, or from before, tell nothing about it."""
    here = head(a=read(), b=read())
    rig = Rig(here, stood(a=read(), b=read())).open("a", "b").take(Gap("a", 0, "50", "trimmed"))
    rig.batch("b", record(60, created=T + 5))
    rig.batch("a", record(60, created=T - 5))
    assert (rig.gap.until, rig.told) == (None, [])
    rig.batch("a", record(70, created=T + 5000))
    assert (rig.gap.until, rig.told) == (T + 5001, ["health.gap opened"])


def test_a_child_tells_where_a_shard_that_is_gone_goes_on(record: Callable[..., Any]) -> None:
    """Its own records, or those of a shard whose parents nobody lists any more."""
    for parent in ("a", "unlisted"):
        rig = Rig(head(a=read(), b=read()), stood(a=read(), b=read())).open("a", "b")
        rig.take(ShardGone("a", 0, "deleted")).open("c", parent=parent)
        rig.batch("b", record(60, created=T + 5))
        assert rig.told == []
        rig.batch("c", record(70, created=T + 900))
        assert (rig.gap.until, rig.told) == (T + 901, ["health.gap opened"])


def test_what_was_processed_of_a_gap_is_not_processed_again() -> None:
    """After a restart the table is read once more, from the gap's beginning."""
    gap = TableGap("backfill-1", T, "trimmed", T, until=T + 100, shards=("a",))
    at = ShardPosition(sequence=str(int((T + 20) * 1e6) * 1000), stamp=T + 20)
    positions = {"a": ShardPosition(stamp=T), gap.name: at}
    rig = Rig(head(T + 20, (gap,), **positions), stood(**positions))
    rig.open("a").items(gap, T + 10, T + 20, T + 30)
    rig.shards.merge.close("a")
    assert rig.process() == [T + 30]


def test_a_gap_that_was_not_passed_waits_again_for_where_the_stream_goes_on(record: Callable[..., Any]) -> None:
    """What was delivered behind it may have been trimmed since: it is read a little further, and told once."""
    gap = TableGap("backfill-1", T, "trimmed", T, until=T + 100, shards=("a",))
    positions = {"a": ShardPosition(stamp=T), gap.name: ShardPosition(stamp=T)}
    rig = Rig(head(T, (gap,), **positions), stood(**positions)).open("a")
    assert rig.shards.gaps.to_read() == []
    assert [kept.until for kept in rig.shards.gaps.stored] == [T + 100]
    rig.batch("a", record(60, created=T + 120))
    assert ([gap.until for gap in rig.shards.gaps.to_read()], rig.told) == ([T + 121], [])


def test_a_gap_that_its_shard_was_not_read_past_waits_again(record: Callable[..., Any]) -> None:
    """The watermark had passed it, as all of it was processed, but the records that showed its end may be trimmed."""
    gap = TableGap("backfill-1", T, "trimmed", T, until=T + 100, shards=("a",))
    positions = {"a": read(55, T + 99), gap.name: ShardPosition(stamp=T + 99)}
    rig = Rig(head(T + 109, (gap,), **positions), stood(a=ShardPosition(stamp=T), **{gap.name: positions[gap.name]}))
    rig.open("a").batch("a", record(60, created=T + 120))
    assert ([gap.until for gap in rig.shards.gaps.to_read()], rig.told) == ([T + 121], [])


def test_a_closed_gap_is_kept_until_the_windows_that_have_it_are_stored() -> None:
    """Or a crash before that would leave windows without it, and its minutes would be written again, empty."""
    gap = TableGap("backfill-1", T, "trimmed", T, until=T + 100)
    rig = Rig(head(T, (gap,))).open("a")
    rig.shards.gaps.end_all(T + 99)
    rig.items(rig.gap, T + 10)
    rig.shards.merge.close("a")
    assert rig.process() == [T + 10]
    assert [notice.state for notice in rig.shards.close_drained(LATER)] == ["closed"]
    rig.shards.losses.next_commit(windows=False)
    rig.shards.losses.next_commit(windows=True)
    ((kept,), position) = rig.shards.gaps.stored, rig.shards.positions[gap.name]
    assert kept.closed
    again = Rig(head(T + 10, (kept,), **{gap.name: position}))
    assert [gap.name for gap in again.shards.gaps.to_read()] == [gap.name]
    assert again.shards.reread
    settled = Rig(head(T + 10, (kept,), **{gap.name: position}), stood(**{gap.name: position}))
    assert (settled.shards.gaps.stored, settled.shards.positions) == ([], {})
    rig.shards.losses.next_commit(windows=False)
    assert (rig.shards.gaps.stored, gap.name in rig.shards.positions) == ([], False)


def test_what_the_head_stands_for_is_missing_for_the_windows_alone(record: Callable[..., Any]) -> None:
    """The windows are older than the head: what lies between is read from the table silently, and where the stream goes
    on before the head's position there is nothing to tell."""
    for resumed, told in ((T - 10, []), (T + 500, ["health.gap opened"])):
        rig = Rig(head(a=read(50)), stood(a=read(40, T - 30))).open("a").take(Gap("a", 0, "40", "trimmed"))
        rig.batch("a", record(45 if resumed < T else 60, created=resumed))
        assert rig.told == told
        decoded = rig.decoder.items(rig.gap.name, [{"ts": {"N": repr(ts)}} for ts in (T - 20, T, T + 20)])
        known = Released(decoded.samples, decoded.samples.ts, decoded.sequence)
        assert rig.shards.reread.rows(known).tolist() == [True, True, False]


def test_a_shard_of_which_the_last_owner_had_read_all_has_lost_nothing() -> None:
    """It is gone from the stream by now."""
    rig = Rig(head(a=read(ended=True)), stood(a=read(40, T - 30))).open("a").take(ShardGone("a", 0, "deleted"))
    assert (rig.shards.gaps.open, rig.told) == ([], [])


@pytest.mark.parametrize(
    ("now", "position", "missing"),
    [(T + 3600.0, ShardPosition(stamp=T), False), (LATER, ShardPosition(stamp=T), True), (LATER, read(), False)],
)
def test_a_beginning_at_the_horizon_may_lie_behind_what_is_kept(
    now: float, position: ShardPosition, missing: bool
) -> None:
    """Only a sequence number makes the stream say that it was trimmed."""
    rig = Rig(head(a=position), stood(a=position)).open("a", now=now)
    assert bool(rig.shards.gaps.open) is missing


def test_windows_from_before_the_first_record_do_not_hide_a_gap() -> None:
    """The head was further: what it had read is context, what came after is missing."""
    rig = Rig(head(a=read()), stood(a=ShardPosition())).open("a")
    assert rig.gap.known_to == T
    assert rig.gap.since < T
