"""What is due without a record: charts, silence, and forgetting a device that is gone for a day."""

from __future__ import annotations

from collections.abc import Callable

from lane_rig import DAY_S, Record, Rig, T, named

from consumer.state.head import Outbox
from consumer.stream.source import ShardEnded, ShardNode, ShardOpened, Topology
from reporting.anomaly.episode import FLAP_S
from scoring.bundle import Bundle
from window.merge import IDLE_SLACK_S
from window.rolling import RETAINED_S


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


def test_silence_is_reported_while_nothing_arrives(rig: Rig, at: Callable[..., Record]) -> None:
    """At the tip the watermark follows the clock by promises of idleness; and its end is told."""
    rig.batch("s", at(1)).turn()
    rig.idle("s", at=T + 1 + 120 + IDLE_SLACK_S - 1).turn(T + 130)
    assert rig.notices == []
    rig.idle("s", at=T + 1 + 120 + IDLE_SLACK_S).turn(T + 130)
    assert rig.notices == [("health.silence", "device4", "opened")]
    rig.batch("s", at(200)).until_quiet(T + 200)
    assert rig.notices == [("health.silence", "device4", "opened"), ("health.silence", "device4", "closed")]


def test_a_sample_that_was_written_in_time_and_waited_breaks_the_silence(rig: Rig, at: Callable[..., Record]) -> None:
    """It came late as seen from its device, so it left its heap a second later, at the deadline itself."""
    rig.batch("s", at(1)).turn()
    rig.batch("s", at(50, number=5000, created=T + 120.0), at(130, number=5001)).until_quiet(T + 140)
    assert rig.notices == []


def test_a_device_that_vanished_leaves_nothing_behind_after_a_day(rig: Rig, at: Callable[..., Record]) -> None:
    """Neither in the head nor in the windows nor among the charts; the archive and the books keep what they have."""
    rig.batch("s", at(1, 9.0, device=named("gone")), at(2, 9.0, device=named("here"))).until_quiet(T)
    rig.batch("s", at(DAY_S, device=named("here")), at(DAY_S + 0.9, device=named("here"))).until_quiet(T + 60)
    assert set(rig.head.health) == {"gone", "here"}
    assert set(rig.head.episodes) == {"gone"}
    rig.batch("s", at(DAY_S + 2, device=named("here"))).until_quiet(T + 120)
    # The end of a silence within a minute of another one waits for more of them (rule 30).
    rig.batch("s", at(DAY_S + 62, device=named("here"))).until_quiet(T + 180)
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
    over = 1 + FLAP_S + RETAINED_S
    rig.batch("s", at(1, 9.0), at(over - 80), at(over - 1)).until_quiet()
    assert set(rig.head.episodes) == {"device4"}
    rig.batch("s", at(over)).until_quiet(T + 60)
    assert rig.head.episodes == {}


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
    rig.lane.recovery.fill(samples)
    rig.batch("s", at(1, 2.0, device=named("a")), at(2, device=named("a"))).until_quiet()
    after = rig.successor().open("s").batch("s", at(400, device=named("a"))).until_quiet(T + 10)
    assert after.lane.devices == ["a", "b"]
    assert after.lane._parts.scorer.windows.count(after.lane._parts.known["a"]) == 4
    after.batch("s", at(DAY_S, device=named("a"))).until_quiet(T + 20)
    assert after.lane.devices == ["a"]
    assert {device for _, device, _ in rig.notices + after.notices} == {"a"}


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
                    "lines": sum(map(len, rig.lane._parts.outbox._lines._lines.values())),
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
