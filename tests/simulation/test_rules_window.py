"""The rules of samples and windows (1, 8, 11), end to end."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from sim_bucket import BucketClient
from sim_cases import BEGIN, charge, live, rotation, shard, stream
from sim_found import lines, totals
from sim_host import NotedCharts
from sim_outage import Outage
from sim_outcome import Outcome, differences, head_of
from sim_plan import Plan
from sim_script import Script, Write
from sim_script import script as scripted
from sim_world import World

from consumer.outgoing.chart_schedule import ChartRequest
from consumer.state.snapshot import Snapshot
from scoring.bundle import Bundle

SHOWN_S, RETAINED_S = 25 * 60.0, 37 * 60.0


def windows(world: World) -> Snapshot:
    """The windows as they lie in the bucket."""
    (body,) = (stored.body for key, stored in world.edges.bucket.objects.items() if key.endswith("/windows"))
    return Snapshot.decode(body)


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


def test_rule_01_a_replay_is_recognised_by_its_position_not_by_what_it_holds(bundle: Bundle) -> None:
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


def test_rule_08_shown_are_25_minutes_and_retained_37(monkeypatch: pytest.MonkeyPatch, bundle: Bundle) -> None:
    """As the charts have it, and the windows in the bucket."""
    asked: list[ChartRequest] = []
    monkeypatch.setattr(NotedCharts, "draw", lambda charts, requests: asked.extend(requests))
    readings = charge(0.0, 3001.0)
    world = World(stream(readings, [shard()]), bundle, Plan(begins=BEGIN + 3010.0)).run()
    world.stop_all()
    (columns,) = windows(world).devices.values()
    newest = BEGIN + 3000.0
    assert columns.ts.tolist() == [newest - age for age in range(int(RETAINED_S) - 1, -1, -1)]
    shown = asked[-1].window.data().ts
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
    assert all(60.0 <= seconds <= 67.0 for seconds in apart)
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
