"""The whole lane: what it takes in, and what it makes of table and stream together."""

from __future__ import annotations

import json
from collections.abc import Callable

from lane_rig import REPORTING, Record, Rig, T, named

from consumer.lane.lane import Lane
from consumer.state.commit import Commit
from consumer.state.head import Head
from consumer.stream.records import Decoder, NameTables
from consumer.stream.source import ShardBatch, ShardNode, ShardOpened, Topology
from scoring.bundle import Bundle
from scoring.scorer import Scorer


def test_the_first_windows_belong_to_the_lane_that_hears_of_their_device(
    plain_bundle: Bundle, at: Callable[..., Record]
) -> None:
    """In a table keyed by device every lineage is a lane over the same windows, and all are given what the table has:
    a lane that kept, told or forgot the devices of another would take their windows from it. The table's lane only
    stores them until the other has."""

    def lanes(scorer: Scorer, decoder: Decoder, before: list[Commit]) -> list[Lane]:
        heads = [one.head for one in before] or [Head(lane=n, owner="me", bundle="b") for n in ("table", "s", "t")]
        snapshots = [one.snapshot for one in before] or [None] * 3
        names = NameTables(decoder.devices, decoder._shards)
        made = [Lane(scorer, h, REPORTING, names, s) for h, s in zip(heads, snapshots, strict=True)]
        for lane, shard in zip(made[1:], "st", strict=True):
            lane.take(ShardOpened(shard, 0, None), T)
            lane.take(Topology((ShardNode(shard, None, False),)), T)
        return made

    scorer, decoder = Scorer(plain_bundle), Rig(plain_bundle).decoder
    both = lanes(scorer, decoder, [])
    there = {"ts": {"N": str(T)}, "current": {"N": "2"}, "temperature": {"N": "25"}}
    table = decoder.items("first-window", [{**there, "device": named(name)} for name in ("a", "b")]).samples
    both[0].recovery.fill(table, own=False)  # the windows are those of all
    for shard, name, lane in zip("st", "ab", both[1:], strict=True):
        page = decoder.page(shard, [at(1, device=named(name))])
        lane.take(ShardBatch(shard, 0, page.samples, page.sequence, page.rejects, T, full=False), T)
        lane.step(T)
    assert [lane.devices for lane in both] == [[], ["a"], ["b"]]
    both[0].recovery.stored_elsewhere(["a"])
    commits = [commit for lane in both if (commit := lane.cut(T, final=True)) is not None]
    assert commits[0].snapshot is not None
    assert (set(commits[0].snapshot.devices), set(commits[0].snapshot.context)) == (set(), {"b"})
    again = Scorer(plain_bundle)
    assert [lane.devices for lane in lanes(again, Rig(plain_bundle).decoder, commits)] == [[], ["a"], ["b"]]
    assert sum(again.windows.count(code) for code in range(9)) == 4


def test_a_first_start_at_the_horizon_says_that_it_is_warming(plain_bundle: Bundle, at: Callable[..., Record]) -> None:
    """At the first record, and 25 minutes of event time later, across a restart too."""
    rig = Rig(plain_bundle, Head(lane="table", owner="me", bundle=plain_bundle.id, cold=True)).open("s")
    rig.batch("s", at(0), at(1)).turn(T + 1.0)
    assert rig.notices == [("health.warming", "device4", "opened")]
    rig.turn(T + 2.0, final=True)
    successor = rig.successor().open("s")
    successor.batch("s", *(at(60 * minute) for minute in range(1, 28))).until_quiet(T + 1700.0)
    assert successor.notices == [("health.warming", "device4", "closed")]


def test_at_a_first_start_what_table_and_stream_both_have_is_scored_as_new(
    plain_bundle: Bundle, at: Callable[..., Record]
) -> None:
    """Rule 18: each sample with its own record, in its own place, as if the table had been read an instant earlier;
    what only the table has is never told of, even where a neighbour is written again."""
    records = [at(n, 9.0 if n % 3 == 0 else 2.0) for n in range(12)]
    again = at(0, 8.0, number=9000, created=float(T + 12))

    def started(filled: int) -> Rig:
        rig = Rig(plain_bundle).open("s")
        rig.lane.recovery.fill(
            rig.decoder.items("first-window", [r["dynamodb"]["NewImage"] for r in records[:filled]]).samples
        )
        return rig.batch("s", *records[4:], again).until_quiet(T + 30)

    early, late = started(4), started(12)
    assert {revision for _, ts, revision in early.told if ts > T + 4} == {0}
    assert T + 3 not in {ts for _, ts, _ in early.told}
    assert [m.id for m in late.anomalies] == [m.id for m in early.anomalies]
    assert late.told == early.told
    assert late.archive == early.archive


def test_a_sample_of_a_gap_that_the_stream_brings_as_well_is_a_duplicate(rig: Rig, at: Callable[..., Record]) -> None:
    """With the same values; with others it is scored anew. What the stream had first is nothing new in the table
    (rule 19)."""
    rig.batch("s", at(0)).turn()
    rig.lane.declare_gap(T, "trimmed", T)
    rig.batch("s", at(50)).turn(T + 50)
    (gap,) = rig.lane.gaps_to_read()
    items = [at(second)["dynamodb"]["NewImage"] for second in (0, 49, 50, 51)]
    rig.lane.take_items(gap, rig.decoder.items(gap.name, items))
    rig.batch("s", at(51, 2.6), at(52)).idle("s", at=T + 70)
    rig.turn(T + 70)
    rig.turn(T + 80)
    books = rig.lane.ledger.days["2026-07-25"]["device4"]
    kept = {name: count for name, count in books.items() if count}
    assert kept == {"read": 4, "scored": 3, "duplicate": 1, "backfilled": 3, "overwritten": 1}
    closed = [message for message in rig.messages if message.type == "health.gap"][-1]
    assert json.loads(closed.body)["data"]["count"] == 3


def test_a_lane_takes_its_own_devices_from_the_table(rig: Rig, at: Callable[..., Record]) -> None:
    """Another lane has the others, and would tell of them as well."""
    name = {device: {"S": device} for device in "ab"}
    rig.batch("s", at(0, device=name["a"])).turn()
    broken = {"S": "n/a"}
    records = [at(1, device=name["a"]), at(2, device=name["b"])]
    records += [at(3, device=name["a"], temperature=broken), at(4, device=name["b"], temperature=broken)]
    items = rig.decoder.items("backfill-1", [record["dynamodb"]["NewImage"] for record in records])
    found = rig.lane.of_own_devices(items)
    assert found.samples.created.tolist() == [T + 1, T + 3]
    assert [*found.rejects] == [1]
    assert len(found.sequence) == 2


def test_rule_07_a_shard_that_is_about_to_be_proven_idle_is_not_passed_by(
    plain_bundle: Bundle, at: Callable[..., Record]
) -> None:
    """It answers every six seconds, as where a reader has hundreds of shards: its proof takes a minute (rule 24)."""
    rig = Rig(plain_bundle).open("s", "t")
    rig.batch("t", at(0, number=1)).batch("s", at(1, number=2)).turn(T + 30)
    nothing = rig.decoder.page("t", [])
    for now in range(31, 101):
        if now % 6 == 5:
            rig.idle("s", at=T + now)
            asked_at = float(T + now)
            rig.lane.take(ShardBatch("t", 0, nothing.samples, nothing.sequence, {}, asked_at, full=False), T + now)
        rig.lane.step(T + now)
    assert rig.lane.tally()["forced"] == 0
    assert rig.lane.watermark > T + 60
