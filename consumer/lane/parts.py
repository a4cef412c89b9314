"""The stateful parts of a lane. One place restores them from a head, one place stores them into the next."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Any

from consumer.heartbeat import HEARTBEAT_S
from consumer.intake.shards import Shards
from consumer.intake.stall import Stall
from consumer.lane.bundle_notices import BundleNotices
from consumer.lane.observer import LaneObserver, NoObserver
from consumer.lane.processed import Processed
from consumer.lane.rollout import Rollout
from consumer.lane.single_device import SingleDevice
from consumer.lane.warming import Warming
from consumer.outgoing.chart_schedule import ChartSchedule, NoCharts
from consumer.outgoing.muting import Muting
from consumer.outgoing.outbox import LaneOutbox, Reporting
from consumer.outgoing.quarantine import Quarantine
from consumer.outgoing.waiting import Waiting
from consumer.state.head import Head
from consumer.state.ledger import Ledger
from consumer.state.scored_minutes import ScoredMinutes
from consumer.state.snapshot import Snapshot
from consumer.stream.records import NameTables
from reporting.health.watch import Watch
from scoring.scorer import Scorer


@dataclass(frozen=True, slots=True)
class LaneOptions:
    """Options of a lane. ``heartbeat_s``: how often it writes a heartbeat; ``one_device``: the table can hold only one
    device; ``charts``: it asks for charts; ``observer``: gets what it judges; ``new_windows``: they began with this
    lane, so the archive may have minutes of which they lack samples."""

    heartbeat_s: float = HEARTBEAT_S
    one_device: bool = False
    new_windows: bool = False
    charts: bool = True
    observer: LaneObserver = field(default_factory=NoObserver)


@dataclass(slots=True)
class Parts:
    """One part for each task of a lane.

    A part returns what a restart needs in `stored`, by field of the head, and takes it back in `restore`. ``known``:
    the devices of the lane, with their codes; ``context``: devices whose windows were filled at a first start and that
    no lane has stored yet. Windows, known devices and due charts are not in the head: they come from
    the snapshot.
    """

    name: str
    names: NameTables
    scorer: Scorer
    known: dict[str, int]
    context: dict[str, int]
    processed: Processed
    shards: Shards
    single_device: SingleDevice
    watch: Watch
    outbox: LaneOutbox
    muting: Muting
    waiting: Waiting
    quarantine: Quarantine
    ledger: Ledger
    scored_minutes: ScoredMinutes
    charts: ChartSchedule
    stall: Stall
    warming: Warming
    rollout: Rollout
    bundle_notices: BundleNotices
    observer: LaneObserver

    @classmethod
    def restore(
        cls,
        head: Head,
        snapshot: Snapshot | None,
        scorer: Scorer,
        to: Reporting,
        names: NameTables,
        options: LaneOptions,
    ) -> Parts:
        """The parts as ``head`` has them. `Recovery` restores the health: it knows how much is re-read."""
        known: dict[str, int] = {}
        muting, waiting = Muting.restore(head), Waiting.restore(head, to.source, to.table)
        return cls(
            name=head.lane,
            names=names,
            scorer=scorer,
            known=known,
            context={},
            processed=Processed.restore(head),
            shards=Shards.restore(head, snapshot, names.shards),
            single_device=SingleDevice.restore(head, names.devices, required=options.one_device),
            watch=Watch(to.table, names.devices, scorer.bundles),
            outbox=LaneOutbox(scorer.bundles, to, head.episodes, muting, waiting, names),
            muting=muting,
            waiting=waiting,
            quarantine=Quarantine.restore(head, names.shards, names.devices),
            ledger=Ledger.restore(head, names.devices),
            scored_minutes=ScoredMinutes(scorer.windows, names.devices),
            charts=(ChartSchedule if options.charts else NoCharts)(scorer, known, to.chart_prefix),
            observer=options.observer,
            stall=Stall.restore(head),
            warming=Warming.restore(head),
            rollout=Rollout(scorer.bundles, names.devices),
            bundle_notices=BundleNotices.restore(head),
        )

    def stored(self) -> dict[str, Any]:
        """What a successor needs of all parts, by field of the head."""
        return {
            **self.processed.stored(),
            **self.shards.stored(),
            **self.single_device.stored(),
            "delays": self.shards.merge.reorder.delays(self.names.devices),
            "health": self.watch.settled,
            **self.outbox.stored(),
            **self.muting.stored(self.outbox.episodes),
            **self.waiting.stored(self.outbox.episodes, self.processed.up_to),
            **self.quarantine.stored(self.shards.positions),
            **self.ledger.stored(),
            **self.stall.stored(),
            **self.warming.stored(),
            **self.bundle_notices.stored(),
        }

    def newest(self, device: str) -> float:
        """The ``ts`` of a device's newest sample in its window, epoch seconds; -inf if it has none."""
        return self.scorer.windows.newest(self.known[device]) if device in self.known else -inf

    def forget(self, device: str) -> None:
        """Drop all that is kept of a device. While records are re-read its episodes stay: they are the head's, which is
        ahead of the windows."""
        code = self.known.pop(device, None)
        if code is not None:
            self.scorer.windows.forget(code)
            self.scored_minutes.forget(code)
        self.outbox.detach(device)
        if not self.shards.reread:
            self.outbox.episodes.forget(device)
        self.charts.forget(device)
