"""A backup of a living worker: saved, the state damaged, restored, and a worker goes on (rule 31)."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from sim_bucket import BucketClient, Stored
from sim_cases import BEGIN, Calls, charge, live, shard, stream
from sim_edges import BUCKET
from sim_faults import Crash, Faults
from sim_found import anomalies, ledger_totals
from sim_outcome import ARCHIVE
from sim_script import script
from sim_witness import Witness
from sim_workload import Workload
from sim_world import World

from consumer.errors import ConfigurationError
from consumer.offline import state_backup
from consumer.offline.state_backup import Backup, Place
from consumer.offline.state_restore import Restorer, Timing
from consumer.state.head import Head
from consumer.state.store import Stores
from consumer.version import VERSION
from scoring.bundle import Bundle

STRANGE = [31.0, 62.0, 118.0, 119.0, 150.0, 205.0, 206.0, 290.0, 301.0]


def charged(bundle: Bundle) -> World:
    """A charge of 400 s over two shards, read live; a killed worker is back after 5 s."""
    readings = charge(1.0, 400.0, strange=STRANGE)
    made = stream(readings, [shard(high=0.5), shard(low=0.5)])
    return World(made, bundle, live(downtime_s=(5.0,)), witness=Witness())


def lanes(bundle: Bundle) -> World:
    """Two devices in a table keyed by device: each in a lane of its own, beside the table's."""
    load = Workload(BEGIN, BEGIN, BEGIN + 400.0, ("a", "b"), (0.0, 0.0), 2.0, anomalies=3, device_keyed=True)
    rng = Random(3)
    made = script(rng, load.writes(rng), [shard(high=0.5), shard(low=0.5)])
    return World(made, bundle, live(downtime_s=(5.0,)), witness=Witness())


def place(world: World) -> Place:
    return Place("simulation", world.script.table, world.script.label)


def client(world: World) -> BucketClient:
    """A way to the bucket that has no faults: that of a person."""
    return BucketClient(world.edges.bucket, Faults(Random(0), world.clock, {}))


def saved(world: World, folder: Path) -> Backup:
    """What `battery-watch state save` does, by way of the disk."""
    s3 = client(world)
    stores = Stores(s3, s3, BUCKET)  # type: ignore[arg-type]
    backup = state_backup.save(s3, stores, BUCKET, place(world), world.clock.now, lambda lane: None)  # type: ignore[arg-type]
    state_backup.write(backup, folder)
    return state_backup.read(folder)


def restore(world: World, backup: Backup, s3: BucketClient | None = None) -> None:
    """What `battery-watch state restore` does."""
    s3 = s3 or client(world)
    stores = Stores(s3, s3, BUCKET)  # type: ignore[arg-type]
    timing = Timing(clock=world.clock, monotonic=world.clock, wait=world.clock.advance)
    restorer = Restorer(stores, backup.place, timing)
    restorer.watch(lambda left_s: None)
    restorer.restore(backup, lambda line: None)


def damaged(world: World, how: str) -> None:
    """Somebody deletes or overwrites objects of the state."""
    objects = world.edges.bucket.objects
    for key in [key for key in objects if key.startswith("state/") and key.endswith(("/head", "/windows"))]:
        if how == "deleted" or (how == "windows deleted" and key.endswith("/windows")):
            del objects[key]
        elif how == "overwritten":
            objects[key] = Stored(b"no state", f'"{len(objects)}"', {})


def found(world: World) -> Counter[str]:
    assert world.edges.witness is not None
    return Counter(finding.kind for finding in world.edges.witness.findings(world))


@pytest.mark.parametrize("how", ["nothing", "deleted", "windows deleted", "overwritten"])
@pytest.mark.parametrize("at_s", [121.0, *(pytest.param(at, marks=pytest.mark.long) for at in (40.0, 207.0))])
def test_rule_31_a_backup_of_a_living_worker_is_restored_and_nothing_is_lost(
    at_s: float, how: str, bundle: Bundle, tmp_path: Path
) -> None:
    """Whatever has become of the state since. Every sample is scored and counted once, the archive is that of a worker
    that was never disturbed, and so is what was told."""
    calm = charged(bundle).run()
    world = charged(bundle)
    world.run(until=lambda w: w.clock.now > BEGIN + at_s)
    backup = saved(world, tmp_path / "backup")
    world.run(until=lambda w: w.clock.now > BEGIN + 260.0)
    world.kill()
    damaged(world, how)
    restore(world, backup)
    assert Head.decode(world.edges.bucket.objects[f"{place(world).prefix}/table/head"].body).released
    world.run()
    world.stop_all()
    assert world.faults.injected["start refused"] == 0
    assert ledger_totals(world)["scored"] == 399
    assert world.edges.bucket.under(ARCHIVE) == calm.edges.bucket.under(ARCHIVE)
    assert anomalies(world) == anomalies(calm)
    assert found(world)["lost"] == 0


class Dies(BucketClient):
    """A process that is killed before its write or deletion number ``left``."""

    left = 0

    def put_object(self, **put: Any) -> dict[str, Any]:
        self._count()
        return super().put_object(**put)

    def delete_object(self, **deletion: Any) -> dict[str, Any]:
        self._count()
        return super().delete_object(**deletion)

    def _count(self) -> None:
        if self.left == 0:
            raise Crash
        self.left -= 1


@pytest.mark.parametrize("how", ["nothing", "deleted"])
def test_rule_31_a_restore_that_is_killed_at_any_write_loses_nothing(
    how: str, bundle: Bundle, tmp_path: Path, calls: Calls
) -> None:
    """A worker that starts then either goes on with all of it, or refuses until the restore is done again. Where the
    state had been deleted, the restore is done again in any case, after the worker has gone on without it."""
    calm = lanes(bundle).run()
    for call in calls(12):
        world = lanes(bundle)
        world.run(until=lambda w: w.clock.now > BEGIN + 130.0)
        backup = saved(world, tmp_path / f"{call}")
        world.run(until=lambda w: w.clock.now > BEGIN + 230.0)
        world.kill()
        damaged(world, how)
        dies = Dies(world.edges.bucket, Faults(Random(0), world.clock, {}))
        dies.left = call
        with suppress(Crash):
            restore(world, backup, dies)
        world.run(until=lambda w: w.clock.now > BEGIN + 300.0)
        if world.faults.injected["start refused"] or how == "deleted":
            if any(host is not None for host in world.hosts.values()):
                world.kill()
            restore(world, backup)
        world.run()
        world.stop_all()
        assert ledger_totals(world)["scored"] == ledger_totals(calm)["scored"], call
        assert world.edges.bucket.under(ARCHIVE) == calm.edges.bucket.under(ARCHIVE), call


@pytest.mark.parametrize("at_s", [61.0, 190.0])
def test_rule_31_all_lanes_of_a_table_are_saved_and_restored(at_s: float, bundle: Bundle, tmp_path: Path) -> None:
    """Each lane with its own head and windows."""
    calm = lanes(bundle).run()
    world = lanes(bundle)
    world.run(until=lambda w: w.clock.now > BEGIN + at_s)
    backup = saved(world, tmp_path / "backup")
    assert len(backup.lanes) == 3
    world.run(until=lambda w: w.clock.now > BEGIN + 260.0)
    world.kill()
    damaged(world, "windows deleted")
    restore(world, backup)
    world.run()
    world.stop_all()
    assert world.faults.injected["start refused"] == 0
    assert ledger_totals(world)["scored"] == ledger_totals(calm)["scored"] > 0
    assert world.edges.bucket.under(ARCHIVE) == calm.edges.bucket.under(ARCHIVE)


def test_rule_31_no_backup_is_put_back_under_a_living_worker(bundle: Bundle, tmp_path: Path) -> None:
    """It is seen to write, and nothing is touched."""
    world = charged(bundle)
    world.run(until=lambda w: w.clock.now > BEGIN + 100.0)
    backup = saved(world, tmp_path / "backup")
    s3 = client(world)
    stores = Stores(s3, s3, BUCKET)  # type: ignore[arg-type]

    def wait(seconds: float) -> None:
        until = world.clock.now + seconds
        world.run(until=lambda w: w.clock.now > until)

    restorer = Restorer(stores, backup.place, Timing(clock=world.clock, monotonic=world.clock, wait=wait))
    with pytest.raises(ConfigurationError, match=r"a worker lives and owns simulation/.*: host-1\. Stop it first"):
        restorer.watch(lambda left_s: None)
    world.run()
    assert world.exits == []
    assert found(world) == {}


def test_rule_31_what_a_later_version_of_the_format_wrote_is_kept_and_handed_on(bundle: Bundle) -> None:
    """A roll-back: the head has fields that this version does not know, and a later version wrote it. This version
    takes it over, keeps the fields through all of its commits, and says that it wrote them."""
    world = charged(bundle)
    world.run(until=lambda w: w.clock.now > BEGIN + 100.0)
    world.kill()
    key, objects = f"{place(world).prefix}/table/head", world.edges.bucket.objects
    before = orjson.loads(objects[key].body)
    later = {"later": {"of": ["many", 2]}, "also_later": 7}
    objects[key] = Stored(orjson.dumps({**before, **later, "version": "99.0.0"}), '"later"', {})
    seen = []
    note = world.edges.bucket.note
    assert note is not None
    world.edges.bucket.note = lambda name, body: (note(name, body), name == key and seen.append(orjson.loads(body)))[0]
    world.run()
    world.stop_all()
    assert world.faults.injected["start refused"] == 0
    assert seen[-1]["commit"] > before["commit"] + 10
    assert [{name: head[name] for name in later} for head in seen] == [later] * len(seen)
    assert {(head["version"], head["format"]) for head in seen} == {(VERSION, before["format"])}
    assert found(world) == {}
