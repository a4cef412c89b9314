"""Compares what the worker published with what happened: the demo's figures and its verdict."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from demo.archive import Anomaly
from demo.message import Message
from demo.outage import Outage
from demo.script import Fault, Script
from demo.told import TOLD_AS, Told

QUIET_S = 60.0
"""As in `reporting.anomaly.episodes`, which is not imported: it loads the ONNX runtime, which leaves a file behind."""
MOST_BEHIND = 0.05
"""The end of a fault is its end: at most this share of the anomalous samples may lie behind one."""
MOST_MESSAGES = 3
"""So many messages may tell of one fault."""
SOON = ("opened", "escalated")
"""These steps come with the sample they are about; the others come when nothing does."""
STEPS = ("opened", "escalated", "ongoing", "closed")
ACCOUNTS = ("scored", "duplicate", "late", "quarantined", "ignored")
"""Every record that was read is in exactly one of these classes of the ledger."""


@dataclass(frozen=True, slots=True)
class Latency:
    """From put to received message, milliseconds, of openings and escalations. None if the live part had none."""

    p50: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class Waited:
    """The messages that had to wait for the recovery from the kill. ``max_s`` is None if there are none."""

    messages: int
    max_s: float | None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Everything that a run left behind. Times are epoch seconds, except those of puts, messages and the outage, which
    share a monotonic clock; ``zero_s`` is the first live sample's second on it.

    ``ledger``: its sums by class. ``anomalies``: those in the archive. ``put_s``: when each live sample was put, by
    its ``ts``.
    """

    script: Script
    epoch_s: int
    written: int
    messages: Sequence[Message]
    ledger: Mapping[str, int]
    anomalies: Sequence[Anomaly]
    charts: int
    put_s: Mapping[int, float]
    unreadable: int = 0
    worker_exit: int = 0
    zero_s: float = 0.0
    outage: Outage | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of a run.

    A fault is found by an episode of its kind that opens inside it. ``episodes`` counts their messages by step.
    ``most_messages``: of the fault that has most. ``false_episodes`` counts openings that no fault explains,
    ``false_alarms`` such samples of the archive. ``behind``: the share of its samples that lie behind the end of a
    fault. ``time_in_alarm``: share of the written charge between anomalous samples that are at
    most a quiet minute apart. ``unaccounted``: records written but in no class of the ledger. ``lost``: what the worker
    itself calls lost. ``messages`` counts ids; ``duplicate_messages`` counts repetitions; an id with two different
    bodies is ``conflicting``. ``latency_ms`` leaves out what waited for the recovery from a kill, which is ``waited``.
    """

    written: int
    scored: int
    duplicate: int
    quarantined: int
    late: int
    anomalies: int
    messages: int
    charts: int
    faults_injected: int
    faults_missed: int
    most_messages: int
    behind: float
    false_alarms: int
    episodes: Mapping[str, int]
    false_episodes: int
    time_in_alarm: float
    latency_ms: Latency
    lost: int
    unaccounted: int
    duplicate_messages: int
    conflicting: int
    kills: int
    recovery_s: float | None
    waited: Waited
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """True if every record is accounted for, every fault was found, there was no false alarm, and the topic got
        every message and none in two versions."""
        return not self.failures

    def as_json(self) -> dict[str, object]:
        """The figures by name. The failures are only for people."""
        return {name: value for name, value in asdict(self).items() if name != "failures"}


def summarise(record: RunRecord) -> Summary:
    """The figures of a run, and a sentence for each reason to call it failed."""
    script, ledger = record.script, record.ledger
    # A topic may deliver a message twice, with the same id.
    messages = list({message.id: message for message in reversed(record.messages)}.values())[::-1]
    told = Told()
    for message in messages:
        told.add(message, script, record.epoch_s)
    missed = [fault for fault in script.faults if fault not in told.found]
    offsets_s = [anomaly.ts - record.epoch_s for anomaly in record.anomalies]
    false = [offset_s for offset_s in offsets_s if not script.explains(offset_s)]
    behind = [offset_s for offset_s in offsets_s if script.explains(offset_s) and not script.at(offset_s)]
    outage = record.outage
    bodies: dict[str, set[str]] = defaultdict(set)
    for message in record.messages:
        bodies[message.id].add(message.body)
    conflicting = sum(len(versions) > 1 for versions in bodies.values())
    return Summary(
        written=record.written,
        scored=ledger.get("scored", 0),
        duplicate=ledger.get("duplicate", 0),
        quarantined=ledger.get("quarantined", 0),
        late=ledger.get("late", 0),
        anomalies=len(record.anomalies),
        messages=len(messages),
        charts=record.charts,
        faults_injected=len(script.faults),
        faults_missed=len(missed),
        most_messages=max(told.found.values(), default=0),
        behind=round(len(behind) / len(offsets_s), 4) if offsets_s else 0.0,
        false_alarms=len(false),
        episodes={step: sum(message.step == step for message in messages) for step in STEPS},
        false_episodes=len(told.false),
        time_in_alarm=time_in_alarm(record.anomalies, record.written),
        latency_ms=latency(messages, record.put_s, outage),
        lost=ledger.get("lost", 0),
        unaccounted=record.written - _accounted(record),
        duplicate_messages=len(record.messages) - len(messages),
        conflicting=conflicting,
        kills=int(outage is not None and outage.killed_s is not None),
        recovery_s=outage.recovery_s if outage else None,
        waited=waited(messages, record.put_s, outage),
        failures=(*_uncounted(record, conflicting), *_mistold(record, messages, told, missed, false, behind)),
    )


def latency(messages: Iterable[Message], put_s: Mapping[int, float], outage: Outage | None = None) -> Latency:
    """Percentiles over the openings and escalations of the live part, without those that `waited`."""
    waits = [wait_s * 1000.0 for wait_s, delayed in _waits(messages, put_s, outage) if not delayed]
    if not waits:
        return Latency(None, None)
    p50, p99 = np.percentile(waits, [50, 99])
    return Latency(round(float(p50), 1), round(float(p99), 1))


def waited(messages: Iterable[Message], put_s: Mapping[int, float], outage: Outage | None) -> Waited:
    """The openings and escalations of the live part that had to wait for the recovery."""
    waits_s = [wait_s for wait_s, delayed in _waits(messages, put_s, outage) if delayed]
    return Waited(len(waits_s), round(max(waits_s), 1) if waits_s else None)


def time_in_alarm(anomalies: Iterable[Anomaly], written: int) -> float:
    """Seconds with an anomalous sample, and those until the device's next one unless a quiet minute lies between, as a
    share of the seconds written."""
    times: dict[str, set[float]] = defaultdict(set)
    for anomaly in anomalies:
        times[anomaly.device].add(anomaly.ts)
    alarmed_s = 0.0
    for each in times.values():
        gaps = np.diff(sorted(each), append=np.inf)
        alarmed_s += float(np.where(gaps <= QUIET_S, gaps, 1.0).sum())
    return round(alarmed_s / written, 4) if written else 0.0


def _waits(
    messages: Iterable[Message], put_s: Mapping[int, float], outage: Outage | None
) -> Iterator[tuple[float, bool]]:
    """The seconds from put to message, and whether the message waited for a worker."""
    for message in messages:
        if message.step in SOON and message.ts in put_s:
            begin_s = put_s[int(message.ts)]
            yield message.received_s - begin_s, bool(outage and outage.delayed(begin_s, message.received_s))


def _accounted(record: RunRecord) -> int:
    return sum(record.ledger.get(account, 0) for account in ACCOUNTS)


def _uncounted(record: RunRecord, conflicting: int) -> Iterator[str]:
    """What is wrong with the books, the messages' ids and the worker."""
    accounted = _accounted(record)
    if accounted != record.written:
        yield (
            f"{record.written} records were written and {accounted} are in the ledger: "
            f"{abs(record.written - accounted)} {'too many' if accounted > record.written else 'unaccounted for'}."
        )
    if lost := record.ledger.get("lost", 0):
        yield f"The ledger says that {lost} records are lost."
    if conflicting:
        yield f"Messages that came in two versions under one id: {conflicting}."
    if record.outage is not None and record.outage.killed_s is not None and record.outage.back_s is None:
        yield "After the kill no other worker took over."
    if not record.charts:
        yield "No chart was made."
    if record.unreadable:
        yield f"{record.unreadable} messages on the queue are not what the topic's contract says."
    if record.worker_exit:
        yield f"The worker ended with exit code {record.worker_exit} instead of 0."


def _mistold(
    record: RunRecord,
    messages: Sequence[Message],
    told: Told,
    missed: Sequence[Fault],
    false: Sequence[float],
    behind: Sequence[float],
) -> Iterator[str]:
    """What is wrong with what was told of the faults."""
    for fault in missed:
        yield (
            f"No episode of kind {TOLD_AS[fault.kind]} opened in the {fault.kind} of the {fault.part} part "
            f"({fault.start_s:+d} to {fault.end_s:+d} s)."
        )
    for fault, count in told.found.items():
        if count > MOST_MESSAGES:
            yield f"{count} messages told of the {fault.kind} at {fault.start_s:+d} s: {MOST_MESSAGES} at most should."
    if len(behind) > MOST_BEHIND * len(record.anomalies):
        yield (
            f"{len(behind)} of {len(record.anomalies)} anomalous samples lie behind the end of a fault, the first at "
            f"{behind[0]:+.0f} s: at most {MOST_BEHIND:.0%} should."
        )
    opened = {message.episode for message in messages if message.step == "opened"}
    if unopened := {message.episode for message in messages} - opened:
        yield f"Episodes whose opening was never published: {len(unopened)}."
    if false:
        yield f"{len(false)} false alarms in the archive, the first about the sample at {false[0]:+.0f} s."
    if told.false:
        first = told.false[0]
        yield (
            f"{len(told.false)} false episodes, the first of kind {first.kind} about the sample at "
            f"{first.ts - record.epoch_s:+.0f} s: {first.summary}"
        )
