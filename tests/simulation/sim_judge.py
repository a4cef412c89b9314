"""Judges schedules: runs each disturbed and undisturbed, compares the two, and hears the witness."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from sim_long import drawn_long
from sim_outcome import Outcome, differences
from sim_schedule import EVERYTHING, PLANS, Ailments, Schedule, drawn
from sim_world import World

from scoring.bundle import Bundle

ANOMALIES = ("anomaly.",)
"""What is compared between different shard graphs. A record set aside has no time of its own, so it cannot be in order:
where it falls among its neighbours, and so when a silence ends, depends on its shard."""


@dataclass(slots=True)
class Verdict:
    """What came of a schedule. ``broken``: how the promise was broken, in words; ``long``: it was a long one."""

    seed: int
    broken: list[str] = field(default_factory=list)
    guesses: int = 0
    records: int = 0
    injected: dict[str, int] = field(default_factory=dict)
    recovery_s: list[tuple[str, float]] = field(default_factory=list)
    long: bool = False


class Judge:
    """Runs schedules disturbed and undisturbed, and compares. The undisturbed run is made once for schedules of one
    stream, when they are judged one after another."""

    def __init__(self, bundle: Bundle, ailments: Ailments = EVERYTHING) -> None:
        self._bundle = bundle
        self._ailments = ailments
        self._stream = ""
        self._expected: tuple[Outcome, list[str]]

    def judge(self, seed: int) -> Verdict:
        """The verdict on a seed's schedule."""
        return self._judge(drawn(seed, self._ailments), f"{seed // PLANS}")

    def judge_long(self, seed: int) -> Verdict:
        """The verdict on a long schedule: thousands of records (`sim_long.drawn_long`)."""
        verdict = self._judge(drawn_long(seed, self._ailments), f"long {seed // PLANS}")
        return replace(verdict, long=True)

    def _judge(self, schedule: Schedule, stream: str) -> Verdict:
        world = schedule.disturbed(self._bundle)
        found = Outcome.of(world)
        if self._stream != stream:
            self._expected = self._undisturbed(schedule)
            self._stream = stream
        expected, broken = self._expected
        # A record without a creation time counts as written when its page was asked for: when a device was last heard
        # of, by which health goes, is no function of the records then.
        types = ANOMALIES if _undated(schedule) else self._ailments.types
        broken = broken + differences(expected, found, types=types) + _witnessed(world)
        records, injected = len(schedule.script.writes), dict(world.faults.injected)
        return Verdict(schedule.seed, broken, found.guesses, records, injected, world.recovery_s)

    def _undisturbed(self, schedule: Schedule) -> tuple[Outcome, list[str]]:
        """What a schedule is compared to, and what is wrong even with that."""
        calm = schedule.undisturbed(self._bundle)
        expected = Outcome.of(calm)
        broken = [f"undisturbed: {said}" for said in [*_unaccounted(schedule, expected), *_witnessed(calm)]]
        if schedule.in_order and not expected.guesses and not _undated(schedule):
            alone = Outcome.of(schedule.over_one_shard(self._bundle))
            found = differences(alone, expected, across_shards=True, types=ANOMALIES)
            broken += [f"one shard: {said}" for said in found]
        return expected, broken


def _witnessed(world: World) -> list[str]:
    """What the witness has found in a run that is over."""
    witness = world.edges.witness
    return [str(finding) for finding in witness.findings(world)] if witness is not None else []


def _undated(schedule: Schedule) -> bool:
    """Are there records without a creation time? They are quarantined, and another graph has others."""
    records = (record["dynamodb"] for shard in schedule.script.shards for record in shard.records)
    return any("ApproximateCreationDateTime" not in record for record in records)


def _unaccounted(schedule: Schedule, outcome: Outcome) -> list[str]:
    """Whoever made the records up knows how many there are of each class, wrong clocks (rule 2) left aside."""
    counted: Counter[str] = Counter()
    for name, count in outcome.counts.items():
        counted[name.rsplit(" ", 1)[1]] += count
    expected = Counter(schedule.script.expected)
    if _undated(schedule) or any(abs(offset_s) > 100.0 for offset_s in schedule.workload.offsets_s) or expected["late"]:
        # Samples may be late or future until the clock is known to be wrong, and are scored from then on.
        ok = counted.total() == expected.total() and counted["ignored"] == expected["ignored"]
    else:
        ok = counted == expected
    return [] if ok else [f"written {dict(expected)}, counted {dict(counted)}"]
