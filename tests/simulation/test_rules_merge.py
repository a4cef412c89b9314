"""The rules of merge, window, archive, windows object and charts, by their numbers, end to end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from math import inf
from random import Random
from typing import Any

import orjson
import pytest
from sim_bucket import BucketClient
from sim_cases import BEGIN, Reading, charge, rotation, shard, stream
from sim_host import NoCharts
from sim_outage import Outage
from sim_outcome import ARCHIVE, Outcome, differences, head_of
from sim_pace import Pace
from sim_plan import Plan
from sim_script import Script, Write
from sim_script import script as scripted
from sim_world import World

from consumer.outgoing.chart_schedule import ChartRequest
from consumer.state.snapshot import Snapshot
from consumer.worker import charts as charting
from consumer.worker.lanes import TABLE_LANE
from reporting.charts.process import ChartDropped
from reporting.sinks.archive import Archive
from scoring.bundle import Bundle

RELEASE_AFTER_S, NEAR_NOW_S, MOST_AHEAD_S = 60.0, 120.0, 20 * 60.0
READ_AHEAD_S = 120.0
SHOWN_S, RETAINED_S = 25 * 60.0, 37 * 60.0
CHART_S = 300.0


def live(**more: object) -> Plan:
    """A host that is there before the first record, reading from the tip."""
    return Plan(begins=BEGIN - 40.0, calm_until=BEGIN, start="latest", **more)  # type: ignore[arg-type]


def watched(world: World, look: Callable[[World], None]) -> World:
    """The world after a whole run; ``look`` sees it after every step."""

    def over(now: World) -> bool:
        look(now)
        return now.all_durable()

    return world.run(until=over)


def totals(world: World) -> dict[str, int]:
    """Records by class, over all days and devices."""
    found: dict[str, int] = {}
    for name, count in Outcome.of(world).counts.items():
        cls = name.rsplit(" ", 1)[1]
        found[cls] = found.get(cls, 0) + count
    return found


def windows(world: World) -> Snapshot:
    """The windows as they lie in the bucket."""
    (body,) = (stored.body for key, stored in world.edges.bucket.objects.items() if key.endswith("/windows"))
    return Snapshot.decode(body)


def lines(world: World) -> list[dict[str, Any]]:
    """All lines of the archive."""
    return [orjson.loads(line) for body in world.edges.bucket.under(ARCHIVE).values() for line in body.splitlines()]


# 1


def change(written: float, ts: str, current_a: float | None, event: str = "INSERT") -> Write:
    """A change of one sample, by the text of its time; without a current it is removed."""
    key = {"ts": {"N": ts}}
    image = None if current_a is None else {**key, "current": {"N": repr(current_a)}, "temperature": {"N": "25"}}
    return Write(BEGIN + written, event, key, image, "ignored" if image is None else "scored", 0.0)


def around(changes: list[Write]) -> Script:
    """The changes within a quiet minute."""
    return scripted(Random(1), [*stream(charge(1.0, 60.0), [shard()]).writes, *changes], [shard()])


def test_rule_01_a_time_is_one_sample_however_it_is_written(bundle: Bundle) -> None:
    """The last value written stands, under one line of the archive and one row of the window; each change is scored."""
    at = f"{BEGIN + 30:.0f}"
    texts = [f"{at}.0", f"{at}.000", f"{BEGIN + 30:.9E}", f"0{at}", at]
    changes = [change(31.5 + n, text, 9.0 + n, "MODIFY") for n, text in enumerate(texts)]
    world = World(around(changes), bundle, live()).run()
    world.stop_all()
    assert totals(world) == {"scored": 59 + len(texts)}
    assert [line["actual"]["current_a"] for line in lines(world) if line["ts"] == BEGIN + 30.0] == [13.0]
    (columns,) = windows(world).devices.values()
    assert columns.ts.tolist() == [BEGIN + n for n in range(1, 60)]


def test_rule_01_insert_and_modify_are_the_same_upsert(bundle: Bundle) -> None:
    """What the table calls a change says nothing: in a table keyed by device every sample is a MODIFY."""
    at = f"{BEGIN + 30:.0f}"
    script = around([change(31.5, at, 9.0), change(33.5, at, 4.0, "MODIFY")])
    other = scripted(
        Random(1),
        [replace(w, change="INSERT" if w.change == "MODIFY" else "MODIFY") for w in script.writes],
        [shard()],
    )
    found = [Outcome.of(World(each, bundle, live()).run()) for each in (script, other)]
    assert any(found[0].messages.values())
    assert differences(*found) == []


def test_rule_01_a_removal_is_counted_and_changes_nothing(bundle: Bundle) -> None:
    """By hand or by TTL: the sample stays in window and archive."""
    at = f"{BEGIN + 30:.0f}"
    calm = World(around([change(31.5, at, 9.0)]), bundle, live()).run()
    world = World(around([change(31.5, at, 9.0), change(40.5, at, None, "REMOVE")]), bundle, live()).run()
    assert totals(world) == {"scored": 60, "ignored": 1}
    assert Outcome.of(world).events == Outcome.of(calm).events != {}


def test_rule_01_a_replay_is_told_by_its_position_not_by_what_it_holds(bundle: Bundle) -> None:
    """The same sample with the same values in another record is one more record scored; the same record read again
    after a crash is not."""
    at = f"{BEGIN + 30:.0f}"
    script = around([change(31.5, at, 9.0), change(45.5, at, 9.0, "MODIFY")])
    calm = World(script, bundle, live()).run()
    assert totals(calm) == {"scored": 61}
    told = [m["data"]["ts"] for m in Outcome.of(calm).messages["device4"] if m["type"] == "anomaly.sample"]
    assert told.count(BEGIN + 30.0) == 1  # the second one changed nothing
    world = World(script, bundle, live(downtime_s=(1.0,)))
    world.run(until=lambda w: w.clock.now > BEGIN + 50.0)
    world.kill()
    assert differences(Outcome.of(calm), Outcome.of(world.run())) == []


# 3


@pytest.mark.parametrize("offset_s", [240.0, -180.0])
def test_rule_03_a_wrong_clock_neither_drags_the_watermark_nor_breaks_a_promise(
    bundle: Bundle, offset_s: float
) -> None:
    """One device's clock is four minutes fast, or three slow, and it writes to all shards, one of which is its alone
    and quiet between its samples. The other device's archive is as if it were alone."""
    right = [
        replace(r, device="right", place=r.place * 0.8)
        for r in charge(1.0, 240.0, period_s=2.0, strange=[61.0, 131.0, 133.0])
    ]
    wrong = [
        Reading(n + offset_s, n + 0.4, device="wrong", place=(0.1, 0.5, 0.9)[n // 3 % 3]) for n in range(1, 240, 3)
    ]
    shards = [shard(high=0.4), shard(low=0.4, high=0.8), shard(low=0.8)]
    alone = Outcome.of(World(stream(right, shards), bundle, live()).run())

    def look(now: World) -> None:
        ahead_s = max((h.lane.watermark for h in now.hosts.values() if h), default=-inf) - now.clock.now
        assert ahead_s <= 5.0

    world = watched(World(stream([*right, *wrong], shards), bundle, live(pace=Pace(poll_s=0.5))), look)
    found = Outcome.of(world)
    assert found.guesses == 0
    assert totals(world) == {"scored": len(right) + len(wrong)}
    # A fast clock's stamps carry the shard's next ones with them, by 5 s at most: what that amends converges.
    of_right = {key: body for key, body in found.events.items() if "device=right/" in key}
    assert of_right == alone.events != {}
    assert any(orjson.loads(line)["ts"] == BEGIN + 131.0 for body in of_right.values() for line in body.splitlines())


# 6


def uneven(minutes: float = 60.0) -> tuple[Script, tuple[str, ...]]:
    """A backlog over four shards, one of which has a tenth of the others' records."""
    shards = [shard(low=n / 4, high=(n + 1) / 4) for n in range(4)]
    readings = [replace(r, place=0.9 if n % 30 == 0 else n % 3 * 0.25) for n, r in enumerate(charge(1.0, minutes * 60))]
    return stream(readings, shards), tuple(s.name for s in shards)


@pytest.mark.parametrize("pages", [1, 4])
def test_rule_06_no_shard_is_read_far_ahead_of_the_slowest(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle, pages: int
) -> None:
    """In a catch-up no shard is asked for records that was read more than two minutes past the one that was read the
    least, where its share is a page; where it is more, the rest of that share may come before the lane looks again.
    What was read and not processed stays within its bound."""
    script, names = uneven()
    seen = Outage(shards=names, most={names[0]: 2}).strike(monkeypatch)
    page, credit = 10, 40 * pages
    most = 0

    def look(now: World) -> None:
        nonlocal most
        done = sum(
            books.get("read", 0)
            for host in now.hosts.values()
            if host is not None
            for devices in host.lane.ledger.days.values()
            for books in devices.values()
        )
        most = max(most, seen.read.total() - done)

    pace = Pace(page=page, credit=credit, tick_s=0.1)
    world = watched(World(script, bundle, Plan(begins=BEGIN + 3600.0, pace=pace)), look)
    assert totals(world) == {"scored": len(script.writes)}
    page_s = page * 30.0  # of the shard with the fewest records
    assert READ_AHEAD_S / 2 < seen.ahead_s <= READ_AHEAD_S + (pages - 1) * page_s
    assert 0 < most <= credit + page


@pytest.mark.parametrize("page", [1, 5])
def test_rule_06_the_shard_that_holds_the_watermark_always_has_a_page(bundle: Bundle, page: int) -> None:
    """With no more room than a page a shard, and all of one shard's records before those of the others, nothing waits
    for a record that may not be read."""
    shards = [shard(low=n / 4, high=(n + 1) / 4) for n in range(4)]
    readings = [replace(r, place=(n // 60 % 4) / 4) for n, r in enumerate(charge(1.0, 481.0))]
    plan = Plan(begins=BEGIN + 600.0, pace=Pace(page=page, credit=1))
    world = World(stream(readings, shards), bundle, plan).run()
    assert totals(world) == {"scored": len(readings)}
    assert Outcome.of(world).guesses == 0


# 7


def stalling(until: float, *, period_s: float = 1.0, strange: tuple[float, ...] = (30.0,)) -> Script:
    """Two shards that share a device's samples."""
    return stream(charge(1.0, until, period_s=period_s, strange=strange), [shard(high=0.5), shard(low=0.5)])


def test_rule_07_after_a_minute_the_lane_goes_on_and_says_so_first(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    """At the tip one shard of two cannot be read any more: a minute later the other's records are told, after a head
    that counts the guess. When it can be read again the archive converges."""
    script = stalling(480.0, strange=(30.0, 100.0, 101.0, 103.0, 200.0, 300.0, 301.0))
    calm = Outcome.of(World(script, bundle, live()).run())
    down = (BEGIN + 60.0, BEGIN + 400.0)
    Outage({script.shards[1].name: down}).strike(monkeypatch)
    world = World(script, bundle, live())
    seen = 0
    beyond: list[float] = []

    def look(now: World) -> None:
        nonlocal seen
        heard = now.edges.subscriber.heard
        for each in heard[seen:]:
            event = orjson.loads(each.body)
            if event["type"] == "anomaly.sample" and event["data"]["ts"] > down[0] + 5.0 and each.at < down[1]:
                assert head_of(now).get("forced", 0) > 0
                beyond.append(each.at)
        seen = len(heard)

    found = Outcome.of(watched(world, look))
    assert len(beyond) >= 6  # it goes on going on, far past the two minutes that shards may be read apart
    assert down[0] + RELEASE_AFTER_S <= beyond[0] <= down[0] + RELEASE_AFTER_S + 20.0
    assert found.guesses > 0
    assert totals(world) == {"scored": len(script.writes)}
    assert differences(calm, found) == []


def test_rule_07_never_more_than_twenty_minutes_past_the_slowest_shard(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    """It cannot be read for three quarters of an hour: the lane holds, lagging, and the archive converges."""
    script = stalling(2900.0, period_s=5.0, strange=(31.0, 601.0, 1101.0, 1501.0, 2601.0))
    calm = Outcome.of(World(script, bundle, live()).run())
    Outage({script.shards[1].name: (BEGIN + 60.0, BEGIN + 2760.0)}).strike(monkeypatch)
    world = World(script, bundle, live())
    furthest = -inf
    lagging = False

    def look(now: World) -> None:
        nonlocal furthest, lagging
        if now.clock.now >= BEGIN + 2760.0:
            return
        for host in now.hosts.values():
            if host is not None and host.durable:
                stamps = [at.stamp for at in host.durable[TABLE_LANE].positions.values() if at.stamp is not None]
                furthest = max([furthest, *stamps])
                lagging = lagging or host.lane.lagging

    found = Outcome.of(watched(world, look))
    assert MOST_AHEAD_S - 60.0 < furthest - (BEGIN + 60.0) <= MOST_AHEAD_S
    assert lagging
    assert found.guesses > 0
    assert totals(world) == {"scored": len(script.writes)}
    assert differences(calm, found) == []


def test_rule_07_nothing_is_forced_while_catching_up(monkeypatch: pytest.MonkeyPatch, bundle: Bundle) -> None:
    """The watermark is an hour behind and a shard cannot be read for ten minutes: the lane waits, and says so."""
    script = stalling(1800.0, period_s=5.0, strange=(31.0, 601.0, 1101.0))
    plan = Plan(begins=BEGIN + 5400.0, pace=Pace(page=20, credit=40))
    calm = Outcome.of(World(script, bundle, plan).run())
    Outage({script.shards[1].name: (BEGIN + 5401.0, BEGIN + 6000.0)}).strike(monkeypatch)
    world = World(script, bundle, plan)
    lagging = []
    found = Outcome.of(watched(world, lambda now: lagging.extend(h.lane.lagging for h in now.hosts.values() if h)))
    assert any(lagging)
    assert found.guesses == 0
    assert differences(calm, found) == []


# 8


def test_rule_08_shown_are_25_minutes_and_retained_32(monkeypatch: pytest.MonkeyPatch, bundle: Bundle) -> None:
    """As the charts have it, and the windows in the bucket."""
    asked: list[ChartRequest] = []
    monkeypatch.setattr(NoCharts, "draw", lambda charts, requests: asked.extend(requests))
    readings = charge(0.0, 3001.0)
    world = World(stream(readings, [shard()]), bundle, Plan(begins=BEGIN + 3010.0)).run()
    world.stop_all()
    (columns,) = windows(world).devices.values()
    newest = BEGIN + 3000.0
    assert columns.ts.tolist() == [newest - age for age in range(int(RETAINED_S) - 1, -1, -1)]
    shown = asked[-1].data.ts
    assert (shown[0], shown[-1]) == (newest - SHOWN_S + 1.0, newest)


@pytest.mark.parametrize("delay_s", [3.0, 200.0, 1490.0])
def test_rule_08_a_sample_out_of_order_takes_its_place(bundle: Bundle, delay_s: float) -> None:
    """The archive is that of the run in which it came in order, followers included, whose scores lean on it."""
    readings = charge(1.0, 1700.0, strange=[150.0])
    late = [replace(r, written=150.0 + delay_s) if r.ts == 150.0 else r for r in readings]
    plan = Plan(begins=BEGIN + 1800.0)
    calm, world = (World(stream(each, [shard()]), bundle, plan).run() for each in (readings, late))
    assert len(lines(calm)) > 1  # the sample and followers
    assert Outcome.of(world).events == Outcome.of(calm).events
    assert totals(world) == {"scored": len(readings)}
    told = Outcome.of(world).messages["device4"]
    amended = [m for m in told if m["type"] == "anomaly.sample" and m["data"]["revision"]]
    assert {m["data"]["ts"] - BEGIN for m in amended} <= {151.0, 152.0, 153.0, 154.0}
    assert amended


# 9


def test_rule_09_a_line_says_nothing_of_how_its_sample_came(bundle: Bundle) -> None:
    """No shard, sequence, time of receipt, revision, link or episode: any shards and any crash give the same bytes."""
    readings = charge(1.0, 300.0, strange=[30.0, 31.0, 130.0, 250.0])
    found = []
    for shards in ([shard()], [shard(high=0.3), shard(low=0.3)], rotation([40.0, 131.0])):
        world = World(stream(readings, shards), bundle, live(downtime_s=(3.0,)))
        world.run(until=lambda w: w.clock.now > BEGIN + 140.0)
        world.kill()
        found.append(Outcome.of(world.run()).events)
    assert found[0] == found[1] == found[2] != {}
    names = {name for line in lines(world) for name in _names(line)}
    assert names.isdisjoint(
        {"shard", "sequence", "position", "recordedtime", "recorded", "received", "revision", "chart", "link", "url"}
        | {"episode", "id", "rev", "epoch", "commit", "owner"}
    )


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        for part in value.values():
            yield from _names(part)


def test_rule_09_every_put_of_a_minute_is_conditional(monkeypatch: pytest.MonkeyPatch, bundle: Bundle) -> None:
    """The first one creates, the others replace what was looked at; all name the epoch and commit of their head."""
    puts: list[dict[str, Any]] = []
    put = BucketClient.put_object

    def noting(client: BucketClient, **request: Any) -> Any:
        if request["Key"].startswith(ARCHIVE):
            puts.append({**request, "head": head_of(world)})
        return put(client, **request)

    monkeypatch.setattr(BucketClient, "put_object", noting)
    world = World(stream(charge(1.0, 90.0, strange=[30.0, 36.0, 44.0]), [shard()]), bundle, live())
    world.run()
    assert len(puts) > len(world.edges.bucket.under(ARCHIVE))
    for request in puts:
        assert (request.get("IfNoneMatch") == "*") != bool(request.get("IfMatch"))
        own = [request["head"].get("epoch", 1), request["head"]["commit"]]
        assert orjson.loads(request["Metadata"]["rev"]) == own


def test_rule_09_who_wakes_up_late_writes_over_no_higher_revision(bundle: Bundle) -> None:
    """A worker falls asleep between its head and its minute; its successor writes more of that minute; the sleeper
    wakes up and puts its old view, and only then learns that it is fenced."""
    readings = charge(1.0, 120.0, strange=[20.0])
    readings += [Reading(21.5, 60.0, current_a=9.0)]
    script = stream(readings, [shard()])
    calm = Outcome.of(World(script, bundle, live()).run())
    world = World(script, bundle, live(hosts=2))
    world.run(until=lambda w: any(key.endswith("/head") and head_of(w)["outbox"]["minutes"] for key in _last(w)))
    assert world.edges.bucket.under(ARCHIVE) == {}
    world.host.stall(100.0)
    world.run()
    world.run(until=lambda w: w.exits != [])
    (stored,) = (o for key, o in world.edges.bucket.objects.items() if key.startswith(ARCHIVE))
    assert orjson.loads(stored.metadata["rev"])[0] == 2
    assert differences(calm, Outcome.of(world)) == []


def _last(world: World) -> list[str]:
    return [key for key in world.edges.bucket.writes[-1:] if "outbox" in head_of(world)]


@pytest.fixture(scope="module")
def late_in_its_minute() -> Script:
    """A sample comes 25 minutes late into a minute that has lines."""
    readings = charge(1.0, 2700.0, period_s=3.0, strange=[31.0, 40.0, 1501.0])
    return stream([replace(r, written=1510.0) if r.ts == 40.0 else r for r in readings], [shard()])


@pytest.fixture(scope="module")
def added_in_peace(late_in_its_minute: Script, bundle: Bundle) -> Outcome:
    """What comes of it where nothing goes wrong."""
    return Outcome.of(World(late_in_its_minute, bundle, live()).run())


@pytest.mark.parametrize("at", [1505.0, 1511.0, 1512.0, 1530.0, 2000.0])
def test_rule_09_a_minute_written_again_keeps_what_it_held(
    monkeypatch: pytest.MonkeyPatch, late_in_its_minute: Script, added_in_peace: Outcome, bundle: Bundle, at: float
) -> None:
    """The worker dies around the time of the late sample, for long enough that the minute leaves the window: it is
    written while all of it is known, or not at all."""
    put = BucketClient.put_object
    written: list[str] = []

    def noting(client: BucketClient, **request: Any) -> Any:
        there = world.edges.bucket.objects.get(request["Key"])
        if request["Key"].startswith(ARCHIVE) and "IfNoneMatch" not in request:
            assert there is not None
            before, after = (
                {orjson.loads(line)["ts"] for line in body.splitlines()} for body in (there.body, request["Body"])
            )
            assert before <= after
            written.append(request["Key"])
        return put(client, **request)

    world = World(late_in_its_minute, bundle, live(downtime_s=(600.0,)))
    monkeypatch.setattr(BucketClient, "put_object", noting)
    world.run(until=lambda w: w.clock.now > BEGIN + at)
    world.kill()
    assert differences(added_in_peace, Outcome.of(world.run())) == []
    assert written


# 11


def test_rule_11_the_windows_are_written_every_minute_and_at_a_stop(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    """With positions of their own, never past the head's."""
    put = BucketClient.put_object
    written: list[float] = []

    def noting(client: BucketClient, **request: Any) -> Any:
        if request["Key"].endswith("/windows"):
            own, heads = Snapshot.decode(request["Body"]).positions, head_of(world).get("positions", {})
            assert own.keys() <= heads.keys()
            for name, at in own.items():
                assert int(at.sequence or 0) <= int(heads[name].get("sequence", 0))
        answer = put(client, **request)
        if request["Key"].endswith("/windows"):
            written.append(world.clock.now)
        return answer

    world = World(stream(charge(1.0, 400.0), rotation([90.0, 250.0])), bundle, live())
    monkeypatch.setattr(BucketClient, "put_object", noting)
    world.run()
    apart = [b - a for a, b in pairwise(written)]
    assert len(apart) >= 6
    assert all(60.0 <= seconds <= 66.0 for seconds in apart)
    count = len(written)
    world.stop_all()
    assert len(written) == count + 1
    own = windows(world)
    assert {n: at.sequence for n, at in own.positions.items()} == {
        n: at.get("sequence") for n, at in head_of(world)["positions"].items()
    }
    assert sum(len(columns.ts) for columns in own.devices.values()) == 399


def test_rule_11_a_restart_loads_reads_again_in_silence_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    """Killed 50 s after the windows were written: what lies between them and the head is read again, but neither
    counted nor told a second time; what comes is scored with full windows."""
    script = stream(charge(1.0, 240.0, strange=[85.0, 100.0, 101.0, 160.0]), [shard()])
    calm = World(script, bundle, live()).run()
    seen = Outage().strike(monkeypatch)
    world = World(script, bundle, live(downtime_s=(0.0,)))
    wrote = lambda w: any(key.endswith("/windows") for key in w.edges.bucket.writes[-1:])  # noqa: E731
    world.run(until=lambda w: w.clock.now > BEGIN + 60.0 and wrote(w))
    at = windows(world).positions
    world.run(until=lambda w, until=world.clock.now + 50.0: w.clock.now > until)
    told = len(world.edges.subscriber.heard)
    between = seen.read.total() - sum(
        script.by_name[n].sequences.index(int(p.sequence or 0)) + 1 for n, p in at.items()
    )
    before = head_of(world)
    world.kill()
    world.run(until=lambda w: any(w.hosts.values()) and w.host.lane.recovering)
    silent = world.host
    world.run(until=lambda w: not w.host.lane.recovering)
    assert world.host is silent
    assert len(world.edges.subscriber.heard) == told
    assert head_of(world)["ledger"] == before["ledger"]
    world.run()
    assert 30 < between <= seen.read.total() - len(script.writes)
    assert differences(Outcome.of(calm), Outcome.of(world)) == []
    assert len({h.id for h in world.edges.subscriber.heard}) == len(world.edges.subscriber.heard)


# 16


class Asked:
    """Notes which charts are asked for, and when. Installed in place of the host's own twin."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keys: list[str] = []
        self.at: list[float] = []
        self.watermark: list[float] = []
        self.world: World | None = None
        monkeypatch.setattr(NoCharts, "draw", lambda charts, requests: self._note(requests))

    def run(self, world: World) -> World:
        """Run the world to its end."""
        self.world = world
        return world.run()

    def _note(self, requests: list[ChartRequest]) -> None:
        assert self.world is not None
        for request in requests:
            self.keys.append(request.key)
            self.at.append(self.world.clock.now)
            self.watermark.append(self.world.host.lane.watermark)


def key(at: float, device: str = "device4") -> str:
    """Of a chart."""
    return f"battery-reports/{device}/{datetime.fromtimestamp(BEGIN + at, UTC):%Y%m%dT%H%M%SZ}.png"


BOUNDARY = -BEGIN % CHART_S
"""The first one after the beginning, in seconds after it."""


def test_rule_16_a_chart_is_due_when_the_watermark_passes_a_boundary(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    """Every five minutes, keyed by the boundary; and when an episode opens, keyed by its first sample."""
    asked = Asked(monkeypatch)
    asked.run(World(stream(charge(1.0, 980.0, strange=[450.0, 451.0]), rotation([300.0])), bundle, live()))
    boundaries = [BOUNDARY + CHART_S * n for n in range(3)]
    assert asked.keys == sorted([*map(key, boundaries), key(450.0)])
    for name, at, watermark in zip(asked.keys, asked.at, asked.watermark, strict=True):
        due = datetime.strptime(name.rsplit("/", 1)[1], "%Y%m%dT%H%M%SZ.png").replace(tzinfo=UTC).timestamp()
        assert watermark >= due
        assert at - due < 10.0


def test_rule_16_the_same_boundaries_whatever_the_pages_and_crashes(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    """A chart asked for again has the same key."""
    script = stream(charge(1.0, 980.0, strange=[450.0, 451.0]), [shard()])
    found = []
    for kills in (0, 3):
        asked = Asked(monkeypatch)
        plan = live(kills=kills, calm_from=BEGIN + 980.0, downtime_s=(20.0,))
        asked.run(World(script, bundle, plan, seed=kills))
        found.append(set(asked.keys))
    assert found[0] == found[1]


def test_rule_16_in_a_catch_up_only_openings_make_charts(monkeypatch: pytest.MonkeyPatch, bundle: Bundle) -> None:
    """Two hours of backlog: nobody looks at charts of the past. Within ten minutes of now they are due again."""
    readings = charge(1.0, 7200.0, period_s=5.0, strange=[1201.0, 4501.0])
    asked = Asked(monkeypatch)
    pace = Pace(page=20, credit=40, poll_s=1.0, tick_s=0.5)
    asked.run(World(stream(readings, [shard()]), bundle, Plan(begins=BEGIN + 7200.0, pace=pace)))
    recent = [at for n in range(40) if 7200.0 - 610.0 < (at := BOUNDARY + CHART_S * n) <= 7200.0]
    assert asked.keys == [*map(key, (1201.0, 4501.0)), *map(key, recent)]


def test_rule_16_a_chart_that_is_never_done_holds_up_no_commit(monkeypatch: pytest.MonkeyPatch, bundle: Bundle) -> None:
    """The drawing process hangs for good: archive, messages and books are those of the run without it."""
    drawings: list[Future[bytes]] = []

    class Hanging:
        def submit(self, data: object, *, periodic: bool) -> Future[bytes]:
            drawings.append(Future())
            return drawings[-1]

        def close(self) -> None:
            for drawing in drawings:
                drawing.set_exception(ChartDropped("closed"))

    script = stream(charge(1.0, 700.0, period_s=2.0, strange=[101.0, 451.0]), [shard()])
    calm = Outcome.of(World(script, bundle, live()).run())
    monkeypatch.setattr(charting, "ChartProcess", Hanging)
    charts = charting.Charting(Archive(object(), "results"))  # type: ignore[arg-type]
    monkeypatch.setattr(NoCharts, "draw", lambda twin, requests: charts.draw(requests))
    try:
        world = World(script, bundle, live()).run()
        assert len(drawings) >= 4
        assert not any(drawing.done() for drawing in drawings)
        assert differences(calm, Outcome.of(world)) == []
    finally:
        charts.finish(0.0)
