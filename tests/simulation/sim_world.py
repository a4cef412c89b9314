"""The world: hosts over one stream, one bucket and one topic, scheduled action by action from a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from math import inf
from random import Random

from sim_clocks import TRUE
from sim_damage import DAMAGE, Damage
from sim_edges import Edges, Run
from sim_faults import Clock, Crash, Faults
from sim_host import Host
from sim_pace import paced
from sim_plan import Later, Plan
from sim_script import Script
from sim_stream import SimulatedStream
from sim_table import Table
from sim_witness import Witness

from consumer.errors import ConfigurationError, Fenced, Retry
from consumer.state.head import Head
from consumer.state.ownership import READ_EVERY_S, Watch
from consumer.state.store import TABLE_LANE
from reporting.health.watch import deadline
from scoring.bundle import Bundle, BundleError

MOST_VIRTUAL_S = 8 * 3600.0
EXIT_FENCED = 75


class Stuck(AssertionError):
    """The run did not end within its bounds."""


class World:
    """Runs a plan over a script until everything written is processed and durable.

    ``edges`` are looked at afterwards; ``bundle`` is what lies where hosts look for theirs. Raises `Stuck` where that
    takes too long, or too many steps.
    """

    def __init__(
        self,
        script: Script,
        bundle: Bundle,
        plan: Plan,
        *,
        seed: int = 0,
        namespace: str = "simulation",
        edges: Edges | None = None,
        later: Later = Later(),  # noqa: B008  # it is frozen
        witness: Witness | None = None,
    ) -> None:
        self.clock = Clock(plan.begins)
        self.plan = plan
        self.script = script
        scripts = [script, *(remade for remade, _ in later.remade)]
        self.ends = max(each.ends for each in scripts)
        self.rng = Random(f"schedule {seed}")
        self.faults = Faults(
            Random(f"faults {seed}"), self.clock, plan.rates, plan.down, plan.calm_from, plan.calm_until
        )
        streams: list[SimulatedStream] = []
        for each, created in [(script, -inf), *later.remade]:
            deleted = dict(later.deleted)
            streams.append(
                SimulatedStream(each, self.clock, plan.weather, seed, created, siblings=streams, shard_deleted=deleted)
            )
        table = Table.of([w for each in scripts for w in each.writes] + [*later.unheard], self.clock, later.ttl_s)
        self.edges = Edges(streams, table, edges.bucket, edges.subscriber) if edges else Edges(streams, table)
        self.promised_from = plan.begins if plan.start == "latest" else -inf
        if witness is not None:
            self.edges.witness, self.edges.bucket.note = witness, witness.stored
        self.hosts: dict[int, Host | None] = dict.fromkeys(range(plan.hosts))
        self.exits: list[int] = []
        self.steps = 0
        self.recovery_s: list[tuple[str, float]] = []
        self.bundle: Bundle | BundleError = bundle
        self._namespace = namespace
        self._born = 0
        self._watches: dict[int, Watch] = {}
        self._starts: dict[int, float] = {slot: plan.begins + slot * 1.0 for slot in range(plan.hosts)}
        self._troubles = self._drawn_troubles()
        self._damage = Damage(self.edges.bucket)
        self._told_of = 0
        self._commits = 0
        self._ends = {s.name: s for s in scripts[-1].shards if s.last_sequence}

    def run(self, until: Callable[[World], bool] | None = None) -> World:
        """Run until ``until`` says so; by default until all is processed and durable."""
        over = until or World.all_durable
        limit = max(self.ends, self.clock.now, self.plan.calm_from) + MOST_VIRTUAL_S
        with paced(self.plan.pace):
            while not over(self):
                self.steps += 1
                if self.steps > self.plan.most_steps or self.clock.now > limit:
                    late_s = self.clock.now - self.ends
                    raise Stuck(f"not done after {self.steps} steps, {late_s:+.0f} s from the last record")
                self._act()
        return self

    def all_durable(self) -> bool:
        """Every record written, and every deadline up to the last one, lies behind the durable position of a host that
        has nothing more to write."""
        if self.clock.now < max(self.ends, self.plan.calm_from):
            return False
        return any(host is not None and host.idle and self._covers(host) for host in self.hosts.values())

    def kill(self) -> None:
        """Kill the first host that is alive; it comes back when the plan says so."""
        slot = next(slot for slot, host in self.hosts.items() if host is not None)
        self._gone(slot)

    def stop(self) -> None:
        """Stop the first host that is alive in order; it comes back when the plan says so."""
        slot = next(slot for slot, host in self.hosts.items() if host is not None)
        with paced(self.plan.pace):
            self.exits.append(self.host.stop())
        self._gone(slot)

    def durable_head(self) -> Head:
        """That of the table's lane."""
        return next(head for head in self.durable_heads() if head.lane == TABLE_LANE)

    def durable_heads(self) -> list[Head]:
        """Of every lane, the head of whoever has finished."""
        heads: dict[str, Head] = {}
        for host in self.hosts.values():
            for lane, head in (host.durable if host is not None else {}).items():
                there = heads.get(lane, head)
                heads[lane] = max(head, there, key=lambda head: (head.epoch, head.commit))
        return [*heads.values()]

    def stop_all(self) -> list[int]:
        """Stop every host in order; their exit codes."""
        with paced(self.plan.pace):
            return [host.stop() for host in self.hosts.values() if host is not None]

    @property
    def host(self) -> Host:
        """The first host that is alive."""
        return next(host for host in self.hosts.values() if host is not None)

    def _covers(self, host: Host) -> bool:
        heads = [head for head in host.durable.values() if head.positions]
        if any(not gap.closed for head in heads for gap in head.gaps):
            return False
        if not heads or any(head.watermark is None or head.watermark < self.ends for head in heads):
            return False
        if any(storm.devices for head in heads for storm in head.storms):
            return False  # notices that leave a little later as one
        if any(deadline(state) <= self.ends for head in heads for state in head.health.values()):
            return False  # a commit that was full has left a notice to the next one
        if any(min(e.due, e.due_at) <= self.ends for head in heads for each in head.episodes.values() for e in each):
            return False  # what time causes in an episode waits for stamps a little later
        stream = self.edges.stream
        positions = {shard: position for head in heads for shard, position in head.positions.items()}
        for name, shard in self._ends.items():
            position = positions.get(name)
            if stream.gone(shard) or stream.first_kept(shard) == len(shard.records):
                continue  # nobody can read it any more
            if position is None or position.sequence != shard.last_sequence:
                return False
        return True

    def _act(self) -> None:
        due = {slot: host.due if host else self._starts[slot] for slot, host in self.hosts.items()}
        if self._troubles:
            due[-1] = self._troubles[0][0]
        soonest = min(due.values())
        assert soonest < inf, "nobody has anything to do"
        self.clock.now = max(self.clock.now, soonest)
        slot = self._next(due)
        if slot < 0:
            self._trouble()
            return
        host = self.hosts[slot]
        try:
            if host is None:
                self._start(slot)
            else:
                host.act()
        except Crash:
            self._gone(slot)
        except (ConfigurationError, Retry):
            self.faults.count("start refused")
            self._gone(slot)
        except Fenced:
            self.exits.append(EXIT_FENCED)
            self._gone(slot)
        self._note_recovery()

    def _next(self, due: Mapping[int, float]) -> int:
        """Who acts now. Where turns take time, whoever was due while one went on comes first."""
        ready = [slot for slot, at in due.items() if at <= self.clock.now]
        return min(ready, key=lambda slot: due[slot]) if self.plan.pace.record_s else self.rng.choice(ready)

    def _start(self, slot: int) -> None:
        self._born += 1
        run = Run(
            self.clock,
            self.faults,
            self.rng,
            lambda: self.plan.pace,
            self.plan.start,
            self._namespace,
            lambda: self.bundle,
            self.plan.clocks.get(slot, TRUE),
            self._watches.setdefault(slot, Watch()),
        )
        self.hosts[slot] = Host.started(f"host-{self._born}", self.edges, run)
        if self.hosts[slot] is None:
            self._starts[slot] = self.clock.now + READ_EVERY_S

    def _gone(self, slot: int) -> None:
        host = self.hosts[slot]
        if host is not None:
            self.edges.stream.left(host.name)
        self.hosts[slot] = None
        self._watches.pop(slot, None)
        self._starts[slot] = self.clock.now + self.rng.choice(self.plan.downtime_s)

    def _drawn_troubles(self) -> list[tuple[float, str]]:
        """When someone kills, stops or freezes a host."""
        plan = self.plan
        wanted = [*["kill"] * plan.kills, *["stop"] * plan.stops, *["stall"] * plan.stalls]
        first = max(plan.begins, plan.calm_until)
        drawn = [(self.rng.uniform(first, max(first + 5.0, plan.calm_from)), what) for what in wanted]
        return sorted([*drawn, *plan.events])

    def _trouble(self) -> None:
        _, what = self._troubles.pop(0)
        if what in DAMAGE:
            self.faults.count(what)
            self._damage.do(what)
            return
        alive = [slot for slot, host in self.hosts.items() if host is not None]
        if not alive:
            return
        slot = self.rng.choice(alive)
        host = self.hosts[slot]
        assert host is not None
        self.faults.count(what)
        if what == "stall":
            host.stall(self.rng.choice([5.0, 70.0, 1000.0]))
            return
        if what == "stop":
            with suppress(Crash):
                self.exits.append(host.stop())
        self._gone(slot)

    def _note_recovery(self) -> None:
        """A fault is recovered from when the next commit is durable."""
        commits = sum([host.commits for host in self.hosts.values() if host is not None])
        if commits != self._commits:
            if commits > self._commits:
                waiting = self.faults.at[self._told_of :]
                self.recovery_s += [(name, self.clock.now - at) for name, at in waiting]
                self._told_of = len(self.faults.at)
            self._commits = commits
