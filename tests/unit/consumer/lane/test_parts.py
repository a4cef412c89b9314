"""What the parts of a lane remember stands in the head, and comes back from it."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from consumer.intake.gaps import Gaps
from consumer.lane.parts import LaneOptions, Parts
from consumer.lane.recovery import Recovery
from consumer.outgoing.outbox import Reporting
from consumer.state.head import (
    INHERITED,
    ActiveBundle,
    Gap,
    Head,
    Outbox,
    Refusal,
    Refused,
    ShardPosition,
    Storm,
    Suppressed,
)
from consumer.state.snapshot import Snapshot
from consumer.stream.records import NameTables
from reporting.anomaly.episode import Episode, State
from reporting.health.notice import Notice
from reporting.health.state import DeviceHealth
from scoring.bundle import Bundle
from scoring.scorer import Scorer
from scoring.severity import Severity
from window.samples import Names

OF_A_CLAIM = {"format", "version", "unknown", "lane", "owner", "started", "epoch", "bundle", "bundles"}
OF_A_COMMIT = {"commit", "heartbeat", "beat", "released", "watermark", "outbox"}
NO_STATE = {
    "name": "given",
    "names": "a table of codes, which no head holds",
    "scorer": "its windows come back from the snapshot",
    "known": "comes back from the snapshot",
    "context": "comes back from the snapshot",
    "watch": "knows no head: `Parts` stores its health, `Recovery` restores it",
    "scored_minutes": "counted from the windows, which come back from the snapshot",
    "charts": "due on the watermark, kept nowhere",
    "observer": "is told, and remembers for itself",
    "rollout": "activates a bundle with a head",
}
EPISODE = Episode(
    "bay-7", 100.0, 130.0, 110.0, 131, Severity.HIGH, State.OPEN, samples=3, told=101, steps=1, loudest=Severity.HIGH
)


def full() -> Head:
    """A head in which no field of a part has its default."""
    notice = Notice("health.silence", "bay-7", 120.0, "opened", "bay-7 is silent.", since=100.0)
    return Head(
        lane="table",
        owner="me",
        commit=7,
        bundle="bw-plain",
        bundles=[ActiveBundle("bw-plain")],
        watermark=200.0,
        newest=199.0,
        positions={"s": ShardPosition(sequence="12", stamp=198.0)},
        episodes={"bay-7": [EPISODE]},
        health={"bay-7": DeviceHealth(last=130.0)},
        gaps=[Gap("backfill-1", 210.0, "trimmed", 215.0, until=220.0, found=2, shards=("s",))],
        filled=[(10.0, 20.0)],
        ledger={"1970-01-01": {"bay-7": {"read": 3, "scored": 3}}},
        untold={EPISODE.id: Suppressed(125.0, 2)},
        undelivered=[EPISODE.id],
        storms=[Storm("health.silence", "opened", 190.0, "bay-6", ("bay-7",), notice)],
        held=[notice],
        forced=2,
        delays={"bay-7": [3, 60, 0, 0, 60, 60, 61]},
        quarantined={"s": (4, 2)},
        device="bay-7",
        device_last=130.0,
        lagging=190.0,
        refused=Refused(150.0, Refusal("bw-bad", "a file is missing")),
        cold=True,
        warming=60.0,
        outbox=Outbox(minutes=[("bay-7", 60)]),
    )


def restored(head: Head, bundle: Bundle) -> Parts:
    """The parts of a lane that was opened from a head, and windows as old as it: nothing is read again."""
    to = Reporting("urn:battery-watch:device4", "device4", "bucket", "charts", lambda _: None)
    snapshot = Snapshot(head.commit, head.positions, {}, {})
    parts = Parts.restore(
        head, snapshot, Scorer(bundle), to, NameTables(Names(), Names()), LaneOptions(one_device=True)
    )
    Recovery(parts, head, snapshot)
    return parts


def test_every_field_of_the_head_has_one_owner(plain_bundle: Bundle) -> None:
    """A field that nobody stores would be lost at the first commit after a restart."""
    assert set(restored(full(), plain_bundle).stored()) == set(Head.model_fields) - OF_A_CLAIM - OF_A_COMMIT


def test_every_part_with_state_stores_it(plain_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part's word reaches the head: what one says in addition appears there."""
    parts = restored(full(), plain_bundle)
    for field in fields(Parts):
        part = getattr(parts, field.name)
        if field.name in NO_STATE:
            assert not hasattr(part, "stored"), field.name
            continue

        def stored(*_: Any, name: str = field.name) -> dict[str, Any]:
            return {name: "stored"}

        monkeypatch.setattr(type(part), "stored", stored)
    assert {name for name, value in parts.stored().items() if value == "stored"} == {
        field.name for field in fields(Parts)
    } - set(NO_STATE)


def test_what_is_stored_comes_back(plain_bundle: Bundle) -> None:
    """A lane that is opened and commits at once stands where its predecessor stood: field by field, for a head in
    which every field has a value of its own."""
    head = full()
    default = Head(lane="table", owner="me", bundle="bw-plain").model_dump()
    stored = restored(head, plain_bundle).stored()
    for name in sorted(set(Head.model_fields) - OF_A_CLAIM - OF_A_COMMIT):
        assert getattr(head, name) != default[name], f"give {name} a value in `full`"
        if name == "positions":  # and that of the gap, which is a lineage of its own
            assert stored[name] == head.positions | {"backfill-1": ShardPosition(stamp=210.0)}
        elif name == "gaps":  # where it ends is found out again; a successor knows the end that was published
            assert [replace(gap, until=220.0) for gap in stored[name]] == head.gaps == Gaps(head.gaps).stored
        else:
            assert stored[name] == getattr(head, name), name


def test_a_new_stream_inherits_all_but_what_is_of_the_old_one() -> None:
    """Each field is one or the other. A field that is added must be given a side."""
    of_a_stream = {"positions", "gaps", "filled", "quarantined", "lagging", "cold", "warming"}
    own = OF_A_CLAIM | (OF_A_COMMIT - {"watermark", "outbox"}) | of_a_stream
    assert set(Head.model_fields) == INHERITED | own
    assert INHERITED.isdisjoint(own)
