"""The rule of the archive (9), end to end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from sim_bucket import BucketClient
from sim_cases import BEGIN, Reading, charge, live, rotation, shard, stream
from sim_found import lines
from sim_outcome import ARCHIVE, Outcome, differences, head_of
from sim_script import Script
from sim_world import World

from scoring.bundle import Bundle


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
