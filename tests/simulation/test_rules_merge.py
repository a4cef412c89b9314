"""The rules of the merge (3, 6, 7), end to end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf

import orjson
import pytest
from sim_cases import BEGIN, Reading, charge, live, shard, stream
from sim_found import messages, totals
from sim_outage import Outage
from sim_outcome import Outcome, differences, head_of
from sim_pace import Pace
from sim_plan import Plan
from sim_script import Script
from sim_world import World

from consumer.state.store import TABLE_LANE
from scoring.bundle import Bundle

RELEASE_AFTER_S, NEAR_NOW_S, MOST_AHEAD_S = 60.0, 120.0, 20 * 60.0


READ_AHEAD_S = 120.0


def watched(world: World, look: Callable[[World], None]) -> World:
    """The world after a whole run; ``look`` sees it after every step."""

    def over(now: World) -> bool:
        look(now)
        return now.all_durable()

    return world.run(until=over)


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


def uneven(minutes: float = 60.0) -> tuple[Script, tuple[str, ...]]:
    """A backlog over four shards, one of which has a tenth of the others' records."""
    shards = [shard(low=n / 4, high=(n + 1) / 4) for n in range(4)]
    readings = [replace(r, place=0.9 if n % 30 == 0 else n % 3 * 0.25) for n, r in enumerate(charge(1.0, minutes * 60))]
    return stream(readings, shards), tuple(s.name for s in shards)


@pytest.mark.parametrize("pages", [pytest.param(1, marks=pytest.mark.long), 4])
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


def test_rule_07_no_device_is_called_silent_that_wrote_to_a_shard_that_is_passed_by(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    """All that one device writes lies in a shard that cannot be read for six minutes. Another one has stopped: that is
    told, with its time, once that shard was read too. What a third one does is told meanwhile."""
    readings = [
        *(replace(r, device="third", place=0.1) for r in charge(1.0, 600.0, strange=[250.0])),
        *(replace(r, device="stopped", place=0.1) for r in charge(1.0, 100.0)),
        *(replace(r, device="writes", place=0.9) for r in charge(1.0, 600.0)),
    ]
    script = stream(readings, [shard(high=0.5), shard(low=0.5)])
    down = (BEGIN + 60.0, BEGIN + 420.0)
    Outage({script.shards[1].name: down}).strike(monkeypatch)
    world = World(script, bundle, live()).run()
    told = messages(world, "health.silence")
    assert [(e["data"]["device"], e["data"]["state"], e["data"]["since"]) for e in told] == [
        ("stopped", "opened", BEGIN + 99.0)
    ]
    heard = {heard.id: heard.at for heard in reversed(world.edges.subscriber.heard)}
    assert heard[told[0]["id"]] >= down[1]
    (strange,) = [e for e in messages(world, "anomaly.sample") if e["data"]["actual"]["current_a"] == 9.0]
    assert heard[strange["id"]] < down[1]
    assert totals(world) == {"scored": len(readings)}


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
