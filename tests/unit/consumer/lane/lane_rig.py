"""A lane fed by hand. It is pure: events in, commits out, time is an argument."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from consumer.heartbeat import HEARTBEAT_S
from consumer.lane.budget import Budget, unlimited
from consumer.lane.lane import Lane
from consumer.lane.parts import LaneOptions
from consumer.outgoing.outbox import Reporting
from consumer.state.commit import Commit
from consumer.state.head import Head
from consumer.state.snapshot import Snapshot
from consumer.stream.records import Decoder, NameTables
from consumer.stream.source import ShardBatch, ShardNode, ShardOpened, Topology
from reporting.contract.events import ChartLink
from reporting.keys import minute_key
from reporting.message import Message, Publish
from scoring.bundle import Bundle
from scoring.scorer import Scorer
from window.idle import LONG_AT_MOST_S, LONG_PAGES
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
        self.budget: Budget = unlimited

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
        """These shards are at their tip, and were so for long enough to prove any claim (rule 24)."""
        for shard in shards:
            for asked_at in [at - LONG_AT_MOST_S * n / LONG_PAGES for n in range(LONG_PAGES, -1, -1)]:
                nothing = self.decoder.page(shard, [])
                self.lane.take(ShardBatch(shard, 0, nothing.samples, nothing.sequence, {}, asked_at, full=False), at)
        return self

    def turn(self, now: float = T, *, final: bool = False) -> Commit | None:
        """Process, and take the commit in as if all sinks were at once."""
        self.lane.step(now, self.budget)
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
        for n in range(200):
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


DAY_S = 86_400.0


def named(name: str) -> dict[str, str]:
    return {"S": name}
