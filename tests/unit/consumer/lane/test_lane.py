"""The lane, pure: events in, commits out, time is an argument."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.heartbeat import HEARTBEAT_S
from consumer.lane.commit_builder import MAX_MESSAGES
from consumer.lane.lane import Lane
from consumer.lane.parts import LaneOptions
from consumer.outgoing.outbox import Reporting
from consumer.state.commit import Commit
from consumer.state.head import Head, Outbox
from consumer.state.snapshot import Snapshot
from consumer.stream.records import Decoder, NameTables
from consumer.stream.source import ShardBatch, ShardEnded, ShardNode, ShardOpened, Topology
from reporting.anomaly.episodes import COOL_DOWN_S, QUIET_S
from reporting.contract.events import ChartLink, parse
from reporting.keys import minute_key, quarantine_key
from reporting.message import Message, Publish
from reporting.mutes import Mute, Mutes
from scoring.bundle import Bundle
from scoring.scorer import Scorer
from window.merge import IDLE_SLACK_S
from window.rolling import RETAINED_S
from window.samples import Names

T = 1_784_989_500  # 2026-07-25 14:25:00 UTC, a minute and a multiple of five
Record = dict[str, Any]


def link(key: str) -> ChartLink:
    return ChartLink(bucket="results", key=key, url=f"https://{key}", expires=datetime(2026, 7, 26, tzinfo=UTC))


REPORTING = Reporting("urn:battery-watch:device4", "device4", "results", "reports", link, publish="samples")


class Rig:
    """A lane fed by hand, and all that its commits brought: the archive as it stands, messages, and what was set
    aside."""

    def __init__(
        self,
        bundle: Bundle,
        head: Head | None = None,
        snapshot: Snapshot | None = None,
        *,
        one_device: bool = False,
        publish: Publish = "samples",
    ) -> None:
        devices, shards = Names(), Names()
        self.decoder = Decoder(table="device4", device_key="device", devices=devices, shards=shards)
        self.head = head or Head(lane="table", owner="me", bundle=bundle.id)
        self.one_device = one_device
        self.publish = publish
        self.lane = Lane(
            Scorer(bundle),
            self.head,
            replace(REPORTING, publish=publish),
            NameTables(devices, shards),
            snapshot,
            LaneOptions(one_device=one_device),
        )
        self.bundle = bundle
        self.snapshot = snapshot
        self.archive: dict[str, bytes] = {}
        self.aside: dict[str, bytes] = {}
        self.messages: list[Message] = []
        self.commits: list[Commit] = []

    def open(self, *shards: str, parent: str | None = None, now: float = T) -> Rig:
        """Shards that are all there are."""
        for shard in shards:
            self.lane.take(ShardOpened(shard, 0, parent), now)
        self.lane.take(Topology(tuple(ShardNode(shard, parent, False) for shard in shards)), now)
        return self

    def batch(self, shard: str, *records: Record, full: bool = False) -> Rig:
        decoded = self.decoder.page(shard, records)
        self.lane.take(
            ShardBatch(shard, 0, decoded.samples, decoded.sequence, decoded.rejects, asked_at=T, full=full), T
        )
        return self

    def idle(self, *shards: str, at: float) -> Rig:
        """These shards are at their tip, and were so for a while."""
        for shard in shards:
            for asked_at in (at - 1.0, at - 0.5, at):
                nothing = self.decoder.page(shard, [])
                self.lane.take(ShardBatch(shard, 0, nothing.samples, nothing.sequence, {}, asked_at, full=False), at)
        return self

    def turn(self, now: float = T, *, final: bool = False) -> Commit | None:
        """Process, and take the commit in as if all sinks were at once."""
        self.lane.step(now)
        commit = self.lane.cut(now, final=final)
        if commit is not None:
            self.commits.append(commit)
            self.head = commit.head
            self.snapshot = commit.snapshot or self.snapshot
            self.archive.update((item.key, item.body) for item in commit.minutes)
            self.aside.update((item.key, item.body) for item in commit.quarantine)
            self.messages += commit.messages
        return commit

    def until_quiet(self, now: float = T) -> Rig:
        """Commit after commit, until nothing is left to say."""
        quiet = 0
        for n in range(100):
            commit = self.turn(now + n * HEARTBEAT_S)
            quiet = quiet + 1 if commit is not None and not commit.messages else 0
            if quiet == 2:
                return self
        raise AssertionError("the lane does not come to rest")

    def successor(self, *, snapshot: bool = True) -> Rig:
        """The next owner, from what is durable; what was durable stays."""
        stored = Head.model_validate_json(self.head.model_dump_json())
        taken = stored.model_copy(update={"owner": "you", "epoch": stored.epoch + 1, "released": False})
        windows = Snapshot.decode(self.snapshot.encode()) if self.snapshot and snapshot else None
        rig = Rig(self.bundle, taken, windows, one_device=self.one_device, publish=self.publish)
        rig.archive, rig.aside = dict(self.archive), dict(self.aside)
        return rig

    @property
    def anomalies(self) -> list[Message]:
        return [message for message in self.messages if message.type == "anomaly.sample"]

    @property
    def told(self) -> list[tuple[str, float, int]]:
        """Device, time and revision of every message about an anomaly, in order."""
        data = [json.loads(message.body)["data"] for message in self.anomalies]
        return [(d["device"], d["ts"], d["revision"]) for d in data]

    @property
    def notices(self) -> list[tuple[str, str, str]]:
        return [(m.type, m.device, m.state) for m in self.messages if m.type != "anomaly.sample"]

    @property
    def counts(self) -> dict[str, int]:
        """The books of all devices and days, added up."""
        total: dict[str, int] = {}
        for devices in self.lane.ledger.days.values():
            for counts in devices.values():
                for name, n in counts.items():
                    total[name] = total.get(name, 0) + n
        return total

    def lines(self, device: str, minute: float) -> list[dict[str, Any]]:
        """A minute of the archive, read back."""
        return [json.loads(line) for line in self.archive[minute_key(device, minute)].splitlines()]


@pytest.fixture
def rig(plain_bundle: Bundle) -> Rig:
    """A lane with one open shard, s."""
    return Rig(plain_bundle).open("s")


@pytest.fixture
def at(record: Callable[..., Record]) -> Callable[..., Record]:
    """A record written as it was sampled, so many seconds after T; by default number and time go together."""

    def make(second: float, current: float = 2.0, *, number: int | None = None, **more: Any) -> Record:
        created = more.pop("created", float(int(T + second)))
        sequence = 1000 + int(second * 10) if number is None else number
        return record(sequence, ts=float(T + second), created=created, current=current, **more)

    return make


# The way of a sample


def test_an_anomaly_is_told_archived_and_counted(rig: Rig, at: Callable[..., Record]) -> None:
    """In one commit: its message with its place in the stream, its line, the position behind it."""
    commit = rig.batch("s", at(1), at(2, 2.1), at(3, 9.0), at(4)).turn()
    assert commit is not None
    assert rig.told == [("device4", T + 3.0, 0), ("device4", T + 4.0, 0)]
    event = parse(rig.anomalies[0].body)
    assert event.type == "anomaly.sample"
    assert event.data.position is not None
    assert (event.data.position.shard, event.data.position.sequence) == ("s", "1030")
    assert event.data.archive.key == minute_key("device4", T)
    assert event.data.chart is not None
    assert event.data.chart.key == "reports/device4/20260725T142503Z.png"
    assert [line["ts"] for line in rig.lines("device4", T)] == [T + 3.0, T + 4.0]
    assert commit.head.positions["s"].sequence == "1040"
    assert rig.counts == {"read": 4, "scored": 4}
    assert rig.lane.ledger.imbalance() == 0


def test_the_head_promises_what_the_commit_writes(rig: Rig, at: Callable[..., Record]) -> None:
    """Messages word for word and the minutes: a successor can do all of it."""
    commit = rig.batch("s", at(3, 9.0), at(63, 9.0)).turn()
    assert commit is not None
    assert tuple(commit.head.outbox.messages) == commit.messages
    assert commit.head.outbox.minutes == [("device4", T), ("device4", T + 60)]
    assert [item.key for item in commit.minutes] == [minute_key("device4", T), minute_key("device4", T + 60)]
    assert (commit.head.commit, commit.head.owner, commit.head.heartbeat) == (1, "me", T)
    assert Head.model_validate_json(commit.head.model_dump_json()) == commit.head


def test_adjacent_anomalies_are_one_episode(rig: Rig, at: Callable[..., Record]) -> None:
    """Its id is in every message; what comes back in the cool-down belongs to it, what comes later does not."""
    rig.batch("s", at(0, 9.0), at(50, 9.0), at(111, 9.0), at(472, 9.0)).until_quiet()
    episodes = [json.loads(message.body)["data"]["episode"] for message in rig.anomalies]
    assert episodes[0] == episodes[1] == episodes[2] != episodes[3]
    assert [(e.id, e.state, e.reopened) for e in rig.head.episodes["device4"]] == [
        (episodes[0], "closed", 1),
        (episodes[3], "open", 0),
    ]


BAD: dict[str, dict[str, Any]] = {
    "missing attribute": {"temperature": None},
    "string for a number": {"current": {"S": "2.5"}},
    "NaN": {"current": {"N": "NaN"}},
    "3.4e38": {"current": {"N": "3.4e38"}},
    "38 digits": {"ts": {"N": "1" * 38}},
    "far before 1970": {"ts": {"N": "-99999999999999"}},
    "milliseconds": {"ts": {"N": f"{T}000"}},
    "endless device name": {"device": {"S": "x" * 40_000}},
    "no score": {"temperature": 400.0},
}


@pytest.mark.parametrize("attributes", BAD.values(), ids=BAD.keys())
def test_bad_input_is_quarantined_with_its_reason_and_the_next_sample_is_scored(
    rig: Rig, record: Callable[..., Record], at: Callable[..., Record], attributes: dict[str, Any]
) -> None:
    """In the same commit; the object holds the record as it came; nothing is lost from the books."""
    bad = record(1000, **{"ts": float(T), "created": T, **attributes})
    commit = rig.batch("s", bad, at(1, 9.0)).turn()
    assert commit is not None
    key = quarantine_key(T, "s", "1000")
    assert set(rig.aside) == {key}
    stored = json.loads(rig.aside[key])
    assert (stored["shard"], stored["sequence"]) == ("s", "1000")
    assert stored["reason"]
    assert stored["record"] == bad or stored["record"]["temperature"] == "400.0"
    assert [ts for _, ts, _ in rig.told] == [T + 1.0]
    assert rig.counts == {"read": 2, "quarantined": 1, "scored": 1}
    assert rig.lane.ledger.imbalance() == 0
    assert commit.head.positions["s"].sequence == "1010"


def test_an_empty_item_is_quarantined(rig: Rig, at: Callable[..., Record]) -> None:
    """And the next is scored."""
    empty = at(0)
    empty["dynamodb"]["NewImage"] = {}
    rig.batch("s", empty, at(1)).turn()
    assert len(rig.aside) == 1
    assert rig.counts == {"read": 2, "quarantined": 1, "scored": 1}


def test_a_flood_of_bad_records_is_told_once_an_hour(rig: Rig, at: Callable[..., Record]) -> None:
    """Not one message a record; all are set aside."""
    bad = [at(n, temperature=None) for n in range(90)]
    rig.batch("s", *bad, at(3000, temperature=None), at(3700, temperature=None)).until_quiet()
    assert [kind for kind, _, _ in rig.notices].count("health.quarantine") == 2
    assert len(rig.aside) == 92


def test_removed_and_late_records_are_counted_and_leave_archive_and_window_alone(
    rig: Rig, at: Callable[..., Record]
) -> None:
    """By TTL or by hand; a late one is told with the command that scores it afterwards."""
    late = [at(-1600 - n, 9.0, number=20 - n, created=T) for n in (2, 1)]
    rig.batch("s", at(0, event="REMOVE", number=10), *late, at(1)).until_quiet()
    assert rig.counts == {"read": 4, "ignored": 1, "late": 2, "scored": 1}
    assert (rig.archive, rig.told) == ({}, [])
    told = [message for message in rig.messages if message.type == "health.late"]
    assert len(told) == 1
    event = parse(told[0].body)
    assert event.type == "health.late"
    assert (event.data.count, event.data.since, event.data.until) == (2, T - 1602.0, T - 1601.0)
    assert "battery-watch replay --table device4 --since" in (event.data.command or "")


# Order


def test_shards_are_merged_by_time_whichever_is_read_first(plain_bundle: Bundle, at: Callable[..., Record]) -> None:
    """Nothing leaves while another shard could still bring something earlier."""
    rig = Rig(plain_bundle).open("a", "b")
    rig.batch("b", at(2, 9.0), at(4, 9.0), at(6, 9.0)).turn()
    assert rig.told == []
    rig.batch("a", at(1, 9.0), at(5, 9.0)).turn()
    rig.idle("a", "b", at=T + 7 + IDLE_SLACK_S).until_quiet(T + 20)
    assert [ts - T for _, ts, _ in rig.told] == [1, 2, 4, 5, 6]


def test_nothing_is_processed_before_all_shards_are_listed(plain_bundle: Bundle, at: Callable[..., Record]) -> None:
    """One that was not seen yet could hold everything."""
    rig = Rig(plain_bundle)
    rig.lane.take(ShardOpened("s", 0, None), T)
    rig.batch("s", at(0, 9.0)).turn()
    assert rig.told == []
    assert not rig.lane.watching
    rig.open("s").turn()
    assert len(rig.told) == 1
    assert rig.lane.watching


def test_a_child_goes_on_where_its_parent_ended(rig: Rig, at: Callable[..., Record]) -> None:
    """The parent's end is in the head once all of it is processed."""
    rig.batch("s", at(0, 9.0), at(200, 9.0)).turn()
    rig.lane.take(ShardEnded("s", 0), T)
    rig.lane.take(ShardOpened("t", 0, "s"), T)
    rig.batch("t", at(201, 9.0))
    for _ in range(5):  # listings, so that other children would have been named by then
        rig.turn()
        rig.lane.take(Topology((ShardNode("s", None, True), ShardNode("t", "s", False))), T)
    rig.until_quiet(T + 10)
    assert [ts - T for _, ts, _ in rig.told] == [0, 200, 201]
    assert rig.head.positions["s"].ended
    assert (rig.head.positions["t"].sequence, rig.head.positions["t"].ended) == ("3010", False)


def test_a_sample_out_of_order_amends_what_was_told(rig: Rig, at: Callable[..., Record]) -> None:
    """Its followers are scored again; those that change are told as revision 1, and the minute is written whole."""
    rig.batch("s", at(10, 9.0), at(20), at(30)).turn()
    assert rig.told == [("device4", T + 10.0, 0), ("device4", T + 20.0, 0), ("device4", T + 30.0, 0)]
    rig.batch("s", at(15, 8.0, number=2000, created=T + 31)).turn()
    assert rig.told[3:] == [
        ("device4", T + 15.0, 0),
        ("device4", T + 20.0, 1),
        ("device4", T + 30.0, 1),
    ]
    assert [line["ts"] - T for line in rig.lines("device4", T)] == [10, 15, 20, 30]
    assert len({message.id for message in rig.anomalies}) == 6


def test_a_sample_corrected_to_normal_leaves_the_archive(rig: Rig, at: Callable[..., Record]) -> None:
    """Its minute is written again without it; nobody is told of what is no anomaly."""
    rig.batch("s", at(10, 9.0)).turn()
    rig.batch("s", at(10, 2.0, number=2000, event="MODIFY")).until_quiet(T + 10)
    assert rig.archive == {minute_key("device4", T): b""}
    assert len(rig.told) == 1


def test_the_same_sample_again_changes_nothing(rig: Rig, at: Callable[..., Record]) -> None:
    """Another record with the same values: counted, and told to nobody."""
    rig.batch("s", at(10, 9.0)).turn()
    commit = rig.batch("s", at(10, 9.0, number=2000)).turn(T + 10)
    assert commit is not None
    assert (commit.messages, commit.minutes) == ((), ())
    assert rig.lane.ledger.imbalance() == 0


# Commits


def test_a_message_cuts_a_commit_at_once_and_nothing_else_does(rig: Rig, at: Callable[..., Record]) -> None:
    """Otherwise every five seconds, which is also the sign of life."""
    assert rig.turn(T) is not None
    assert rig.batch("s", at(0)).turn(T + 0.1) is None
    assert rig.batch("s", at(1, 9.0)).turn(T + 0.2) is not None
    assert rig.batch("s", at(100)).turn(T + 0.2 + HEARTBEAT_S - 0.01) is None
    later = rig.turn(T + 0.2 + HEARTBEAT_S)
    assert later is not None
    assert later.head.positions["s"].sequence == "2000"
    assert [commit.head.commit for commit in rig.commits] == [1, 2, 3]
    assert rig.turn(T + 0.3 + 2 * HEARTBEAT_S) is not None


@pytest.mark.parametrize("publish", ["episodes", "both"])
def test_fifty_also_where_many_episodes_open_at_once(
    plain_bundle: Bundle, at: Callable[..., Record], publish: Publish
) -> None:
    """A hundred devices in one second, and again later, when the ones before end with it."""
    rig = Rig(plain_bundle, publish=publish).open("s")
    for second in (1, 400):
        found = [at(second, 9.0, device=named(f"d{n:03}"), number=10_000 * second + n) for n in range(100)]
        rig.batch("s", *found).until_quiet()
    steps = [message for message in rig.messages if message.type in ("anomaly.opened", "anomaly.closed")]
    assert [message.state for message in steps] == ["opened"] * 100 + ["closed"] * 100 + ["opened"] * 100
    assert max(len(commit.messages) for commit in rig.commits) <= MAX_MESSAGES


def test_a_commit_holds_at_most_fifty_messages(rig: Rig, at: Callable[..., Record]) -> None:
    """The rest waits for the next, and nothing is lost or told twice."""
    rig.batch("s", *(at(n, 9.0) for n in range(200))).until_quiet()
    assert rig.told == [("device4", T + float(n), 0) for n in range(200)]
    assert max(len(commit.messages) for commit in rig.commits) <= MAX_MESSAGES
    for commit in rig.commits:
        # What a position has passed was told by then.
        last = int(commit.head.positions["s"].sequence or 0)
        told = [m for c in rig.commits[: commit.head.commit] for m in c.messages if m.type == "anomaly.sample"]
        assert len(told) == (last - 1000) // 10 + 1


def test_the_last_commit_releases_the_lane(rig: Rig, at: Callable[..., Record]) -> None:
    """The next owner need not wait; windows are with it."""
    rig.batch("s", at(1, 9.0)).turn()
    last = rig.turn(T + 1, final=True)
    assert last is not None
    assert last.head.released
    assert last.snapshot is not None
    assert last.snapshot.positions["s"].sequence == "1010"
    assert not rig.commits[0].head.released


def test_windows_go_with_a_commit_every_minute(rig: Rig, at: Callable[..., Record]) -> None:
    """With positions of their own, which are those of their head."""
    for n in range(0, 130, 5):
        rig.batch("s", at(n)).turn(T + n)
    taken = [commit for commit in rig.commits if commit.snapshot is not None]
    assert [commit.head.heartbeat - T for commit in taken] == [0, 60, 120]
    for commit in taken:
        assert commit.snapshot is not None
        assert commit.snapshot.positions == commit.head.positions


def test_the_books_are_written_with_a_commit(rig: Rig, at: Callable[..., Record]) -> None:
    """One object a day of creation; what the head holds is the same."""
    commit = rig.batch("s", at(1), at(2, temperature=None)).turn()
    assert commit is not None
    assert [item.key for item in commit.ledger] == ["battery-ledger/2026-07-25/table.json"]
    book = json.loads(commit.ledger[0].body)["devices"]["device4"]
    assert {name: n for name, n in book.items() if n} == {"read": 2, "scored": 1, "quarantined": 1}
    assert commit.head.ledger == {"2026-07-25": {"device4": {"read": 2, "scored": 1, "quarantined": 1}}}


# Mutes


def mutes(since: float, until: float, device: str | None = None) -> Mutes:
    return Mutes([Mute("m1", device, T + since, T + until, "new fan", "ann")])


def test_a_muted_anomaly_is_archived_and_counted_and_not_told(rig: Rig, at: Callable[..., Record]) -> None:
    """In a commit as prompt as if it were told, with the same lines."""
    records = [at(n, 9.0 if n in (3, 20, 40) else 2.0) for n in range(0, 60, 1)]
    open_rig = Rig(rig.bundle).open("s").batch("s", *records).until_quiet()
    rig.turn()
    rig.lane.mute(mutes(0, 600))
    commit = rig.batch("s", *records).turn()
    assert commit is not None
    rig.until_quiet(T + 1)
    assert rig.messages == []
    assert rig.archive == open_rig.archive
    assert rig.counts == {**open_rig.counts, "muted": len(open_rig.told)}
    assert rig.head.ledger["2026-07-25"]["device4"]["muted"] == len(open_rig.told)
    assert rig.head.outbox.messages == []
    assert [r.key for r in rig.lane.charts.drain()] == [r.key for r in open_rig.lane.charts.drain()]


def test_the_first_message_after_a_mute_says_what_was_left_out(rig: Rig, at: Callable[..., Record]) -> None:
    """To programs and to people, also after a restart; the next one does not."""
    rig.lane.mute(mutes(0, 30))
    rig.batch("s", *(at(n, 9.0) for n in range(10, 30, 10))).turn()
    rig.turn(T + 1, final=True)
    assert rig.messages == []
    after = rig.successor().open("s")
    after.lane.mute(mutes(0, 30))
    after.batch("s", at(30, 9.0), at(40, 9.0)).until_quiet(T + 40)
    events = [parse(message.body) for message in after.anomalies]
    said = [event.data.muted for event in events if event.type == "anomaly.sample"]
    assert said[0] is not None
    assert said[0].model_dump() == {"opened": T + 10.0, "since": T + 10.0, "count": 2}
    assert set(said[1:]) == {None}
    expected = "This episode began at 2026-07-25 14:25:10 UTC; 2 messages of it, from 14:25:10 on, were muted."
    assert [expected in message.text for message in after.anomalies] == [True] + [False] * (len(said) - 1)


def test_a_head_of_a_lane_that_muted_nothing_is_as_before(rig: Rig, at: Callable[..., Record]) -> None:
    """Nothing in it speaks of mutes."""
    commit = rig.batch("s", at(3, 9.0)).turn()
    assert commit is not None
    stored = commit.head.model_dump_json(exclude_defaults=True)
    assert "untold" not in stored
    assert "muted" not in stored


# Charts and timers


def test_charts_come_at_boundaries_and_when_an_episode_opens(rig: Rig, at: Callable[..., Record]) -> None:
    """By event time, however the records came in."""
    rig.batch("s", at(1)).turn()
    rig.batch("s", *(at(n, 9.0 if n == 100 else 2.0) for n in range(20, 620, 20))).until_quiet()
    rig.until_quiet(T + 100)
    keys = [request.key for request in rig.lane.charts.drain()]
    assert sorted(keys) == [
        "reports/device4/20260725T142640Z.png",
        "reports/device4/20260725T143000Z.png",
        "reports/device4/20260725T143500Z.png",
    ]


def test_silence_is_told_while_nothing_arrives(rig: Rig, at: Callable[..., Record]) -> None:
    """At the tip the watermark follows the clock by promises of idleness; and its end is told."""
    rig.batch("s", at(1)).turn()
    rig.idle("s", at=T + 1 + 120 + IDLE_SLACK_S - 1).turn(T + 130)
    assert rig.notices == []
    rig.idle("s", at=T + 1 + 120 + IDLE_SLACK_S).turn(T + 130)
    assert rig.notices == [("health.silence", "device4", "opened")]
    rig.batch("s", at(200)).until_quiet(T + 200)
    assert rig.notices == [("health.silence", "device4", "opened"), ("health.silence", "device4", "closed")]


# Devices that vanish

DAY_S = 86_400.0


def named(name: str) -> dict[str, str]:
    return {"S": name}


def test_a_device_that_vanished_leaves_nothing_behind_after_a_day(rig: Rig, at: Callable[..., Record]) -> None:
    """Neither in the head nor in the windows nor among the charts; the archive and the books keep what they have."""
    rig.batch("s", at(1, 9.0, device=named("gone")), at(2, 9.0, device=named("here"))).until_quiet(T)
    rig.batch("s", at(DAY_S, device=named("here")), at(DAY_S + 0.9, device=named("here"))).until_quiet(T + 60)
    assert set(rig.head.health) == {"gone", "here"}
    assert set(rig.head.episodes) == {"gone"}
    rig.batch("s", at(DAY_S + 2, device=named("here"))).until_quiet(T + 120)
    rig.turn(T + 300, final=True)
    assert rig.lane.devices == ["here"]
    assert set(rig.head.health) == {"here"}
    assert rig.head.episodes == {}
    assert rig.snapshot is not None
    assert set(rig.snapshot.devices) == set(rig.snapshot.health) == {"here"}
    assert rig.notices.count(("health.silence", "gone", "closed")) == 1
    assert rig.head.ledger["2026-07-25"]["gone"] == {"read": 1, "scored": 1}
    assert [line["ts"] for line in rig.lines("gone", T)] == [T + 1]


def test_an_episode_too_old_for_any_sample_to_come_is_not_kept(rig: Rig, at: Callable[..., Record]) -> None:
    """Its device goes on; a sample that could still belong to it would be older than the window."""
    over = 1 + QUIET_S + COOL_DOWN_S + RETAINED_S
    rig.batch("s", at(1, 9.0), at(over - 80), at(over - 1)).until_quiet()
    assert set(rig.head.episodes) == {"device4"}
    rig.batch("s", at(over)).until_quiet(T + 60)
    assert rig.head.episodes == {}


def test_a_minute_that_waits_for_the_commit_is_written_though_its_device_is_forgotten(
    rig: Rig, at: Callable[..., Record]
) -> None:
    """A backlog of more than a day may pass between two commits."""
    rig.turn()
    strange = [at(1, 9.0, device=named("gone")), at(2, 9.0, device=named("gone"))]
    commit = rig.batch("s", *strange, at(2 * DAY_S, device=named("here"))).turn(T + 1)
    assert commit is not None
    assert set(commit.head.health) == {"here"}
    assert [line["ts"] for line in rig.lines("gone", T)] == [T + 1, T + 2]
    after = rig.successor()
    after.open("s").batch("s", *strange, at(2 * DAY_S, device=named("here"))).until_quiet(T + 10)
    assert after.archive == rig.archive
    assert after.lane.devices == ["here"]


def test_windows_older_than_the_head_do_not_bring_a_forgotten_device_back(rig: Rig, at: Callable[..., Record]) -> None:
    """Nobody would ever forget it again."""
    rig.batch("s", at(1, device=named("gone")), at(2, device=named("here"))).turn()
    assert rig.snapshot is not None
    rig.idle("s", at=T + DAY_S + 100).turn(T + 1)
    rig.turn(T + 10)
    assert rig.head.health == {}
    assert set(rig.snapshot.devices) == {"gone", "here"}
    after = rig.successor().open("s")
    assert after.lane.devices == []
    after.batch("s", at(DAY_S + 200, 9.0, device=named("gone"))).until_quiet(T + 20)
    assert set(after.head.health) == set(after.lane.devices) == {"gone"}
    assert ("health.silence", "gone", "closed") not in after.notices


def test_what_is_read_again_forgets_nobody_too_soon(rig: Rig, at: Callable[..., Record]) -> None:
    """The head may be a day ahead of the windows: the device that is on the way back there was not forgotten."""
    rig.batch("s", at(1, device=named("a"))).turn()
    later = [at(600, device=named("a")), at(DAY_S + 5, device=named("b"))]
    rig.batch("s", *later).turn(T + 10)
    after = rig.successor().open("s").batch("s", *later)
    after.until_quiet(T + 20)
    last = after.turn(T + 100, final=True)
    assert last is not None
    assert last.snapshot is not None
    assert last.snapshot.devices["a"].ts.tolist() == [T + 1, T + 600]


def test_what_is_read_again_forgets_who_was_forgotten(rig: Rig, at: Callable[..., Record]) -> None:
    """A device that was a stranger when it came back is one then too: its wrong clock is not known."""
    fast, back = (
        [at(n + 400, created=float(int(T + n)), number=1000 + int(n), device=named("a")) for n in seconds]
        for seconds in ((0, 5, 10), (DAY_S + 100, DAY_S + 105))
    )
    rig.batch("s", *fast).turn()
    rig.batch("s", *back).until_quiet(T + 10)
    assert rig.counts == {"read": 5, "scored": 1, "quarantined": 4}
    after = rig.successor().open("s").batch("s", *back).until_quiet(T + 100)
    last = after.turn(T + 200, final=True)
    assert last is not None
    assert last.snapshot is not None
    assert last.snapshot.devices == {}


def test_a_device_in_the_first_windows_is_forgotten_too(rig: Rig, at: Callable[..., Record]) -> None:
    """It may never send; until then its samples are kept, over a restart too, and its silence is not told."""
    samples = rig.decoder.items(
        "first-window",
        [
            {"ts": {"N": str(T - 5)}, "current": {"N": "2"}} | extra
            for extra in (
                {"temperature": {"N": "25"}, "device": {"S": "a"}},
                {"temperature": {"N": "25"}, "device": {"S": "b"}},
            )
        ],
    ).samples
    rig.lane.fill(samples)
    rig.batch("s", at(1, 2.0, device=named("a")), at(2, device=named("a"))).until_quiet()
    after = rig.successor().open("s").batch("s", at(400, device=named("a"))).until_quiet(T + 10)
    assert after.lane.devices == ["a", "b"]
    assert after.lane._parts.scorer.windows.count(after.lane._parts.known["a"]) == 4
    after.batch("s", at(DAY_S, device=named("a"))).until_quiet(T + 20)
    assert after.lane.devices == ["a"]
    assert {device for _, device, _ in rig.notices + after.notices} == {"a"}


def test_the_first_windows_belong_to_the_lane_that_hears_of_their_device(
    plain_bundle: Bundle, at: Callable[..., Record]
) -> None:
    """In a table keyed by device every lineage is a lane over the same windows, and all are given what the table has:
    a lane that kept, told or forgot the devices of another would take their windows from it."""

    def lanes(scorer: Scorer, decoder: Decoder, before: list[Commit]) -> list[Lane]:
        heads = [one.head for one in before] or [Head(lane=n, owner="me", bundle="b") for n in ("table", "s", "t")]
        snapshots = [one.snapshot for one in before] or [None] * 3
        names = NameTables(decoder._devices, decoder._shards)
        made = [Lane(scorer, h, REPORTING, names, s) for h, s in zip(heads, snapshots, strict=True)]
        for lane, shard in zip(made[1:], "st", strict=True):
            lane.take(ShardOpened(shard, 0, None), T)
            lane.take(Topology((ShardNode(shard, None, False),)), T)
        return made

    scorer, decoder = Scorer(plain_bundle), Rig(plain_bundle).decoder
    both = lanes(scorer, decoder, [])
    there = {"ts": {"N": str(T)}, "current": {"N": "2"}, "temperature": {"N": "25"}}
    table = decoder.items("first-window", [{**there, "device": named(name)} for name in ("a", "b")]).samples
    both[0].fill(table, own=False)  # the windows are those of all
    for shard, name, lane in zip("st", "ab", both[1:], strict=True):
        page = decoder.page(shard, [at(1, device=named(name))])
        lane.take(ShardBatch(shard, 0, page.samples, page.sequence, page.rejects, T, full=False), T)
        lane.step(T)
    assert [lane.devices for lane in both] == [[], ["a"], ["b"]]
    commits = [commit for lane in both if (commit := lane.cut(T, final=True)) is not None]
    again = Scorer(plain_bundle)
    assert [lane.devices for lane in lanes(again, Rig(plain_bundle).decoder, commits)] == [[], ["a"], ["b"]]
    assert sum(again.windows.count(code) for code in range(9)) == 4


def test_devices_that_come_and_go_for_days_take_no_memory(plain_bundle: Bundle, at: Callable[..., Record]) -> None:
    """Four new ones an hour, each of which sends for a minute, for six days, over a shard that rolls over every four
    hours, with a restart a day (BUGS 23): once books and shards have reached their days nothing grows any more."""
    rig, sizes = Rig(plain_bundle), list[dict[str, int]]()
    shard, number = "s0", 0
    parent: str | None = None
    rig.open(shard)
    for hour in range(6 * 24):
        begin = hour * 3600
        if hour % 4 == 0 and hour:
            rig.lane.take(ShardEnded(shard, 0), T)
            rig.lane.step(T + begin)
            parent, shard = shard, f"s{hour}"
            rig.lane.take(ShardOpened(shard, 0, parent), T)
        for _ in range(2):
            rig.lane.take(Topology((ShardNode(shard, parent, False),)), T + begin)
        records = []
        for second in range(0, 60, 10):
            for device in range(4):
                number += 1
                current = 9.0 if second == 30 and device == 3 else 2.0 + second / 100
                name = named(f"session-{hour:03d}-{device}")
                records.append(at(begin + second + device / 100, current, number=number, device=name))
        rig.batch(shard, *records)
        rig.idle(shard, at=T + begin + 3000)
        for n in range(4):
            rig.turn(T + begin + n * 400)
        if hour % 12 == 11:
            rig.turn(T + begin + 3000, final=True)
            assert rig.snapshot is not None
            sizes.append(
                {
                    "head": len(rig.head.model_copy(update={"outbox": Outbox()}).encode()),
                    "windows": len(rig.snapshot.encode()),
                    "states": len(rig.head.health),
                    "own": len(rig.lane.devices),
                    "shards": len(rig.head.positions),
                    "days": len(rig.head.ledger),
                    "rows": rig.lane._parts.scorer.windows.devices,
                    "lines": len(rig.lane._parts.outbox._lines),
                    "drawn": len(rig.lane.charts._drawn),
                }
            )
            if hour % 24 == 11:
                rig = rig.successor().open(shard)
    settled = sizes[8:]
    assert max(one["states"] for one in settled) == max(one["own"] for one in settled) <= 4 * 25
    assert max(one["rows"] for one in settled) <= 2 * 4 * 25
    for name in settled[0]:
        assert max(one[name] for one in settled) <= 1.05 * max(one[name] for one in sizes[4:8]), name


# Restart


def test_a_flood_of_bad_records_keeps_a_hundred_an_hour(rig: Rig, at: Callable[..., Record]) -> None:
    """Of each shard; the last one kept says that the rest is only counted. A successor counts on."""
    rig.open("s").batch("s", *(at(second, "n/a") for second in range(70))).until_quiet()
    rig.turn(T + 900.0, final=True)
    successor = rig.successor().open("s")
    successor.batch("s", *(at(second, "n/a") for second in range(70, 170))).until_quiet(T + 1000.0)
    assert len(successor.aside) == 101
    assert successor.counts["quarantined"] == 170
    (last,) = (body for body in successor.aside.values() if b"only counted" in body)
    assert json.loads(last)["record"]["dynamodb"]["NewImage"]["ts"] == {"N": repr(T + 100.0)}
    successor.batch("s", at(3600, "n/a")).until_quiet(T + 4000.0)
    assert len(successor.aside) == 102


def test_a_second_device_in_a_table_that_can_hold_one_is_set_aside(
    plain_bundle: Bundle, at: Callable[..., Record]
) -> None:
    """Their samples would overwrite each other. A successor knows which one it was; an exchange of the battery, after
    the first has been silent for as long as its window lasts, is no second device."""
    rig = Rig(plain_bundle, one_device=True).open("s")
    rig.batch("s", at(0, device={"S": "a"}), at(1, device={"S": "b"}), at(2, device={"S": "a"})).until_quiet()
    rig.turn(T + 900.0, final=True)
    assert (rig.counts["scored"], rig.counts["quarantined"]) == (2, 1)
    assert "can hold one device" in json.loads(next(iter(rig.aside.values())))["reason"]
    successor = (
        rig.successor().open("s").batch("s", at(3, device={"S": "b"}), at(4, device={"S": "a"})).until_quiet(T + 1000.0)
    )
    assert (successor.counts["scored"], successor.counts["quarantined"]) == (3, 2)
    successor.batch(
        "s", at(2224, device={"S": "b"}), at(2225, device={"S": "b"}), at(2226, device={"S": "a"})
    ).until_quiet(T + 3000.0)
    assert (successor.counts["scored"], successor.counts["quarantined"]) == (5, 3)


def test_a_shard_that_cannot_be_read_is_told_as_lag(plain_bundle: Bundle, at: Callable[..., Record]) -> None:
    """In a catch-up nothing is forced: the lane holds, says so, and says when it goes on."""
    rig = Rig(plain_bundle).open("a", "b").batch("a", at(0), at(1)).batch("b", at(5))
    for second in range(3600, 3700, 5):
        rig.turn(T + second)
    assert rig.notices == [("health.lagging", "device4", "opened")]
    assert rig.lane.lagging
    rig.batch("a", at(20)).turn(T + 3701.0)
    rig.turn(T + 3706.0)
    assert rig.notices[1:] == [("health.lagging", "device4", "closed")]
    assert rig.head.forced == 0


def test_a_lane_without_shards_waits_for_none(plain_bundle: Bundle) -> None:
    """In a table keyed by device the table's own lane only says who owns it."""
    rig = Rig(plain_bundle).open()
    for second in range(0, 300, 30):
        rig.turn(T + second)
    assert (rig.notices, rig.lane.lagging) == ([], False)


def test_a_first_start_at_the_horizon_says_that_it_is_warming(plain_bundle: Bundle, at: Callable[..., Record]) -> None:
    """At the first record, and 25 minutes of event time later, across a restart too."""
    rig = Rig(plain_bundle, Head(lane="table", owner="me", bundle=plain_bundle.id, cold=True)).open("s")
    rig.batch("s", at(0), at(1)).turn(T + 1.0)
    assert rig.notices == [("health.warming", "device4", "opened")]
    rig.turn(T + 2.0, final=True)
    successor = rig.successor().open("s")
    successor.batch("s", *(at(60 * minute) for minute in range(1, 28))).until_quiet(T + 1700.0)
    assert successor.notices == [("health.warming", "device4", "closed")]


def test_a_successor_sends_what_was_promised_word_for_word(rig: Rig, at: Callable[..., Record]) -> None:
    """And writes the minutes again, whole."""
    rig.turn()
    commit = rig.batch("s", at(1, 9.0), at(61, 9.0)).turn(T + 1)
    assert commit is not None
    after = rig.successor()
    assert after.lane.promised == commit.messages
    after.open("s").batch("s", at(1, 9.0), at(61, 9.0), at(200)).until_quiet(T + 10)
    assert {item.key: item.body for item in after.commits[0].minutes} == rig.archive


def test_what_was_told_before_a_restart_is_not_told_again(rig: Rig, at: Callable[..., Record]) -> None:
    """Records between the windows and the head are read again, silently, and not counted again."""
    rig.turn()
    records = [at(n, 9.0 if n % 3 == 0 else 2.0) for n in range(20)]
    rig.batch("s", *records[:8]).until_quiet(T + 1)
    after = rig.successor().open("s", now=T + 10)
    assert after.lane.recovering
    after.batch("s", *records[:5])
    beat = after.turn(T + 11)
    assert beat is not None
    assert after.lane.recovering
    assert beat.head.positions == rig.head.positions
    assert beat.head.outbox == rig.head.outbox
    assert (beat.messages, beat.minutes, beat.quarantine, beat.ledger) == ((), (), (), ())
    after.batch("s", *records[5:]).until_quiet(T + 20)
    assert not after.lane.recovering
    everything = Rig(rig.bundle).open("s").batch("s", *records).until_quiet()
    assert rig.told + after.told == everything.told
    assert after.archive == everything.archive
    assert after.counts == everything.counts


@pytest.mark.parametrize(("seems_idle", "guesses"), [(False, 0), (True, 2)])
def test_rule_07_a_guess_among_what_is_read_again_is_counted(
    plain_bundle: Bundle, at: Callable[..., Record], seems_idle: bool, guesses: int
) -> None:
    """A shard says three times that it has nothing, and then has what the head stands for: the windows are filled in
    another order than the first time, which nobody may take for certain."""
    first, second = [at(1), at(4)], [at(2), at(6)]
    rig = Rig(plain_bundle).open("a", "b")
    rig.turn()
    rig.batch("a", *first).batch("b", *second).idle("a", "b", at=T + 7 + IDLE_SLACK_S).until_quiet(T + 20)
    after = rig.successor().open("a", "b", now=T + 30)
    after.batch("b", *second)
    if seems_idle:
        after.idle("a", at=T + 30)
    after.turn(T + 31)
    assert after.lane.recovering
    after.batch("a", *first).idle("a", "b", at=T + 40).until_quiet(T + 40)
    assert not after.lane.recovering
    assert after.lane.tally()["forced"] == guesses


def test_rule_07_a_device_first_seen_among_what_is_read_again_stays_known(
    plain_bundle: Bundle, at: Callable[..., Record]
) -> None:
    """Its shard seemed idle before the restart, so the head knows nothing of it: its windows and its silence go on."""
    first, second = [at(3, 9.0, device={"S": "x"})], [at(2), at(6)]
    rig = Rig(plain_bundle).open("a", "b")
    rig.turn()
    rig.batch("b", *second).idle("a", "b", at=T + 7 + IDLE_SLACK_S).until_quiet(T + 20)
    after = rig.successor().open("a", "b", now=T + 30)
    after.batch("a", *first).batch("b", *second).idle("a", "b", at=T + 40).until_quiet(T + 40)
    assert not after.lane.recovering
    assert after.lane.devices == ["device4", "x"]
    after.idle("a", "b", at=T + 200).until_quiet(T + 200)
    assert ("health.silence", "x", "opened") in after.notices


def test_at_a_first_start_what_table_and_stream_both_have_is_scored_as_new(
    plain_bundle: Bundle, at: Callable[..., Record]
) -> None:
    """Rule 18: each sample with its own record, in its own place, as if the table had been read an instant earlier;
    what only the table has is never told of, even where a neighbour is written again."""
    records = [at(n, 9.0 if n % 3 == 0 else 2.0) for n in range(12)]
    again = at(0, 8.0, number=9000, created=float(T + 12))

    def started(filled: int) -> Rig:
        rig = Rig(plain_bundle).open("s")
        rig.lane.fill(rig.decoder.items("first-window", [r["dynamodb"]["NewImage"] for r in records[:filled]]).samples)
        return rig.batch("s", *records[4:], again).until_quiet(T + 30)

    early, late = started(4), started(12)
    assert {revision for _, ts, revision in early.told if ts > T + 4} == {0}
    assert T + 3 not in {ts for _, ts, _ in early.told}
    assert [m.id for m in late.anomalies] == [m.id for m in early.anomalies]
    assert late.told == early.told
    assert late.archive == early.archive


def test_without_windows_a_clock_is_found_wrong_again_where_it_was(rig: Rig, at: Callable[..., Record]) -> None:
    """A crash between the first head and the first windows: what was set aside before the clock was known to be wrong
    stays out of window and archive when all is read again."""
    records = [at(n + 600, 9.0 if n % 3 == 0 else 2.0, created=float(T + n)) for n in range(30)]
    rig.batch("s", *records[:20]).turn(T + 20)
    assert {kind for kind, _, _ in rig.notices} == {"health.quarantine", "health.clock_skew"}
    after = rig.successor(snapshot=False).open("s", now=T + 30)
    after.batch("s", *records).until_quiet(T + 30)
    calm = Rig(rig.bundle).open("s").batch("s", *records).until_quiet(T + 30)
    assert rig.told + after.told == calm.told
    assert after.archive == calm.archive
    assert after.counts == calm.counts


def test_a_restart_in_the_middle_of_a_minute_keeps_its_first_lines(rig: Rig, at: Callable[..., Record]) -> None:
    """They come from the windows: the minute is written whole when it grows."""
    rig.batch("s", at(1, 9.0), at(2), at(3), at(4), at(5), at(6), at(7), at(8, 9.0)).turn()
    rig.turn(T + 1, final=True)
    after = rig.successor().open("s").batch("s", at(30, 9.0))
    after.until_quiet(T + 30)
    assert [line["ts"] - T for line in after.lines("device4", T)] == [
        line["ts"] - T for line in rig.lines("device4", T)
    ] + [30]
    assert after.archive[minute_key("device4", T)].startswith(rig.archive[minute_key("device4", T)])


devices = st.sampled_from([None, {"S": "a"}, {"S": "b/c"}])
readings = st.tuples(
    devices,
    st.sampled_from([1.0, 1.0, 2.0, 20.0, 70.0]),
    st.sampled_from([0.0, 0.0, 0.0, -5.0, -40.0]),
    st.sampled_from([2.0, 2.0, 2.0, 9.0]),
    st.sampled_from(["25", "25", "25", "90", "warm", "400"]),
)


@settings(deadline=None, max_examples=80)
@given(
    st.lists(readings, min_size=1, max_size=40),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.sets(st.integers(0, 30), max_size=5),
)
def test_whatever_pages_and_restarts_the_outcome_is_the_same(
    plain_bundle: Bundle, written: list[tuple[Any, ...]], pages: list[int], crashes: set[int]
) -> None:
    """Archive, messages about samples and episodes in order, quarantine and books, against one page and no restart;
    late samples, several devices and broken records among them."""
    records, created = [], float(T)
    for n, (device, step, offset, current, temperature) in enumerate(written):
        created += step
        item = {"ts": {"N": repr(created + offset)}, "current": {"N": repr(current)}, "temperature": {"N": temperature}}
        change = {
            "SequenceNumber": str(1000 + n),
            "ApproximateCreationDateTime": float(int(created)),
            "NewImage": item | ({"device": device} if device else {}),
        }
        records.append({"eventName": "INSERT", "dynamodb": change})
    calm = Rig(plain_bundle, publish="both").open("s").batch("s", *records).idle("s", at=created + 500).until_quiet(T)
    rig, begin, turn, told = Rig(plain_bundle, publish="both").open("s"), 0, 0, list[Message]()
    while begin < len(records) or rig.lane.recovering:
        size = pages[turn % len(pages)]
        rig.batch("s", *records[begin : begin + size]).turn(T + turn * 7)
        begin, turn = begin + size, turn + 1
        if turn in crashes:
            told += rig.messages
            reached = rig.snapshot.positions["s"].sequence if rig.snapshot else rig.head.positions["s"].sequence
            begin = 0 if reached is None else int(reached) - 999
            rig = rig.successor().open("s")
    rig.idle("s", at=created + 500).until_quiet(T + turn * 7)
    told += rig.messages

    def said(messages: list[Message]) -> list[Any]:
        return [{**json.loads(m.body), "recordedtime": None, "state": m.state} for m in messages]

    assert said(told) == said(calm.messages)
    assert rig.archive == calm.archive
    assert rig.aside == calm.aside
    assert rig.counts == calm.counts
    assert rig.lane.ledger.imbalance() == 0


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
    assert kept == {"read": 4, "scored": 3, "duplicate": 1, "backfilled": 3}
    closed = [message for message in rig.messages if message.type == "health.gap"][-1]
    assert json.loads(closed.body)["data"]["count"] == 3


def test_nothing_is_committed_before_the_windows_are_filled(rig: Rig, at: Callable[..., Record]) -> None:
    """But signs of life: whoever comes next fills them too."""
    rig.lane.await_fill()
    rig.batch("s", at(0))
    for now in (T, T + 1, T + HEARTBEAT_S + 1):
        commit = rig.lane.cut(now)
        assert commit is None or (commit.head.positions, commit.snapshot, commit.head.commit) == ({}, None, 0)
    assert rig.lane.cut(T + 20, final=True) is None
    items = rig.decoder.items("first-window", [at(-5)["dynamodb"]["NewImage"]])
    rig.lane.fill(items.samples, own=False)
    assert rig.lane.devices == []
    commit = rig.turn(T + 30)
    assert commit is not None
    assert commit.snapshot is not None
    assert commit.head.positions


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
