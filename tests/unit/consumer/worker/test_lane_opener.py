"""How a lane becomes a worker's own, where the stream or the state is not as the last owner left it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from consumer.intake.gaps import STREAM_KEEPS_S
from consumer.outgoing.outbox import Reporting
from consumer.state.head import ActiveBundle, Gap, Head, ShardPosition
from consumer.state.ownership import Claimant
from consumer.state.snapshot import Snapshot
from consumer.stream.records import NameTables
from consumer.worker.lane_bundles import LaneBundles
from consumer.worker.lane_opener import LaneOpener, LaneSetup, Opened
from scoring.bundle import Bundle
from window.samples import Names

NOW = 1_784_989_500.0


class Store:
    """A lane's state in memory."""

    def __init__(self, head: Head | None = None, windows: Snapshot | None = None) -> None:
        self.head, self.windows = head, windows

    def read(self) -> Head | None:
        return self.head

    def write(self, head: Head) -> None:
        self.head = head

    def read_windows(self) -> bytes | None:
        return self.windows.encode() if self.windows else None

    def windows_revision(self) -> Any:
        return (self.head.epoch if self.head else 4, self.windows.commit) if self.windows else None


class NoStore:
    """Bundles that were kept elsewhere: every id is this one."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def keep(self, bundle: Bundle) -> None:
        """Nothing to do."""

    def load(self, bundle_id: str) -> Bundle:
        return self.bundle


class Kept:
    """Bundles that were kept, by their ids."""

    def __init__(self, *bundles: Bundle) -> None:
        self.bundles = {bundle.id: bundle for bundle in bundles}

    def keep(self, bundle: Bundle) -> None:
        self.bundles[bundle.id] = bundle

    def load(self, bundle_id: str) -> Bundle:
        return self.bundles[bundle_id]


class States:
    """The state under this label, and under the one before."""

    def __init__(self, here: Store, before: Store | None = None) -> None:
        self.here, self.last = here, before
        self.others: dict[str, Store] = {}
        self.days: dict[str, Any] = {}

    def lanes(self, prefix: str) -> list[str]:
        return ["table", *self.others]

    def highest_epoch(self, prefix: str) -> int:
        return self.last.head.epoch if self.last and self.last.head else 0

    def ledger(self, lane: str, days: Any) -> dict[str, Any]:
        return self.days

    def store(self, prefix: str, lane: str) -> Any:
        return self.here if lane == "table" else self.others.setdefault(lane, Store())

    def previous_stream(self, prefix: str, lane: str) -> Any:
        return (self.last.head, self.last) if self.last else None


def head(**more: Any) -> Head:
    whole = {"lane": "table", "owner": "gone", "bundle": "b", "commit": 5, "released": True, "watermark": NOW - 60.0}
    return Head(**{**whole, **more})


def windows(commit: int = 5, **positions: ShardPosition) -> Snapshot:
    return Snapshot(commit, positions, {}, {})


def opened(
    bundle: Bundle, here: Store, before: Store | None = None, *, stored: Any = None, resolve: Any = None, **setup: Any
) -> tuple[LaneOpener, Opened]:
    to = Reporting("urn:battery-watch:t", "t", "results", "reports", lambda key: None, publish="samples")
    opener = LaneOpener(
        States(here, before),
        "state/n/t/label",
        Claimant("me", lambda: NOW),
        LaneBundles(bundle, stored or NoStore(bundle), resolve),
        LaneSetup(to, NameTables(Names(), Names()), **setup),
    )
    found = opener.open("table", wait=None)
    assert found is not None
    return opener, found


def at(sequence: str | None = "50", stamp: float = NOW - 60.0) -> ShardPosition:
    return ShardPosition(sequence=sequence, stamp=stamp)


def test_gaps_are_no_shards_to_be_read(plain_bundle: Bundle) -> None:
    """The stream has none of that name: taken for a lost shard, a gap would be closed without having been read."""
    positions = {"a": at(), "backfill-1": at()}
    gap = Gap("backfill-1", NOW - 100, "trimmed", NOW - 50, until=NOW - 10)
    opener, _ = opened(plain_bundle, Store(head(positions=positions, gaps=[gap]), windows(**positions)))
    assert [*opener.positions] == ["a"]


@pytest.mark.parametrize("commit", [0, 1])
def test_the_old_streams_windows_stand_until_there_are_own_ones(commit: int, plain_bundle: Bundle) -> None:
    """They are a commit's last step: a head of the new label may be there, and no windows."""
    old = Store(head(positions={"a": at()}), windows(a=at()))
    here = Store(head(commit=commit, watermark=None, positions={}), None)
    opener, found = opened(plain_bundle, here, old)
    assert opener.inherited
    assert not opener.unfilled
    assert opener.positions == {}
    assert len(found.lane.gaps_to_read()) == 0
    opener, _ = opened(plain_bundle, Store(head(commit=3), windows(3)), old)
    assert not opener.inherited


def test_a_stream_made_anew_has_a_gap_from_where_the_old_ones_last_owner_stood(plain_bundle: Bundle) -> None:
    """Told from there; read from before, as the windows may be older than the head."""
    old = Store(head(positions={"a": at(stamp=NOW - 62.0)}), windows(a=at()))
    _, found = opened(plain_bundle, Store(), old)
    found.lane.step(NOW + 31.0)  # nothing has come of the new stream
    (gap,) = found.lane.gaps_to_read()
    assert gap.begins == NOW - 62.0
    assert gap.since < NOW - 120.0
    assert found.lane.recovering


@pytest.mark.parametrize(
    ("down_s", "positions", "gaps", "missing"),
    [
        (STREAM_KEEPS_S + 60, {"a": at(None)}, [], True),
        (STREAM_KEEPS_S + 60, {}, [], True),
        (STREAM_KEEPS_S + 60, {"a": ShardPosition(sequence="1", ended=True)}, [], True),
        (STREAM_KEEPS_S + 60, {"a": at()}, [], False),
        (STREAM_KEEPS_S + 60, {"a": at(None)}, [Gap("backfill-1", NOW, "trimmed", NOW, until=NOW)], False),
        (3600.0, {"a": at(None)}, [], False),
    ],
)
def test_more_than_a_day_down_is_a_gap_where_no_shard_would_say_so(
    down_s: float, positions: Any, gaps: Any, missing: bool, plain_bundle: Bundle
) -> None:
    """A shard that has a position after a record says it itself, once that record is trimmed."""
    here = Store(head(watermark=NOW - down_s, positions=positions, gaps=gaps), windows(**positions))
    _, found = opened(plain_bundle, here)
    found.lane.step(NOW + 31.0)
    reasons = [gap.reason for gap in found.lane.gaps_to_read()]
    assert ("nothing was read for more than 24 h" in reasons) is missing


def test_windows_are_filled_until_some_are_stored(plain_bundle: Bundle) -> None:
    """Up to where the first start took the shards: the rest is read from the stream."""
    opener, _ = opened(plain_bundle, Store())
    assert (opener.unfilled, opener.tip) == (True, None)
    opener, _ = opened(plain_bundle, Store(head(commit=0, started=NOW - 70.0)))
    assert (opener.unfilled, opener.tip) == (True, NOW - 70.0)
    since = ShardPosition(sequence="50", since=NOW - 65.0)
    opener, _ = opened(plain_bundle, Store(head(started=NOW - 70.0, positions={"a": since})))
    assert (opener.unfilled, opener.tip) == (True, NOW - 65.0)
    opener, _ = opened(plain_bundle, Store(head(started=NOW - 70.0), windows()))
    assert not opener.unfilled


def test_who_stood_by_takes_over_with_the_bundle_as_it_is_by_then(plain_bundle: Bundle) -> None:
    """The owner has brought in another one since this worker started: the minute is the head's, and nothing is taken
    back, be it that the other one is found now, or that nobody can say what lies there."""
    new = replace(plain_bundle, id="bw-new")
    bundles = [ActiveBundle(plain_bundle.id), ActiveBundle("bw-new", NOW + 60.0)]
    for look in (lambda: new, lambda: None):
        here = Store(head(bundle="bw-new", bundles=bundles))
        opener, found = opened(plain_bundle, here, resolve=look, stored=Kept(plain_bundle, new))
        assert found.head.bundles == bundles
        assert found.head.bundle == "bw-new"
        there = opener.open("another", wait=None)
        assert there is not None
        assert there.head.bundle == "bw-new"


def test_lanes_opened_later_begin_with_the_bundle_of_then(plain_bundle: Bundle) -> None:
    """A shard lineage that appears after the change has nothing from before it."""
    new = replace(plain_bundle, id="bw-new")
    opener, found = opened(plain_bundle, Store())
    assert found.head.bundle == plain_bundle.id
    opener._bundles.replace(new)
    later = opener.open("later", wait=None)
    assert later is not None
    assert later.head.bundles == [ActiveBundle("bw-new")]
