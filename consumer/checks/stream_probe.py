"""Reads the newest records of the stream: does the bundle fit this data, and is the device's clock right?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from consumer.findings import Finding, State
from consumer.stream.client import Streams
from consumer.stream.records import FUTURE_S, LATE_S, Decoder, Reject
from reporting.health.overwritten import MOST, WITHIN, Reading, differs
from reporting.names import flat
from scoring.bundle import Bundle
from window.samples import Kind, Names, Samples, concat

PAGES_A_SHARD = 20
NEWEST = 300
CLOCK_FINE_S = 5.0
MILLISECONDS_FROM = 1e11  # as seconds this would be the year 5138
OUTSIDE_MOST = 0.2
OVERWRITTEN_MOST = MOST / WITHIN


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest records of the stream's open shards, in order of creation. ``rejects``: those that would be
    quarantined. ``cut``: a shard was too long to read to its tip, so there are newer records. ``devices``: the table of
    device codes."""

    samples: Samples
    rejects: tuple[Reject, ...]
    cut: bool
    devices: Names


def read_newest(streams: Streams, decoder: Decoder) -> Newest:
    """Read the open shards to their tips, at most `PAGES_A_SHARD` pages each. Raises what the stream calls raise."""
    pages: list[Samples] = []
    rejects: list[Reject] = []
    cut = False
    for shard in _open_shards(streams):
        iterator: str | None = streams.iterator(shard, "TRIM_HORIZON", None)
        for _ in range(PAGES_A_SHARD):
            if iterator is None:
                break
            page = streams.records(iterator, 1000)
            decoded = decoder.page(shard, page.records)
            pages.append(decoded.samples)
            rejects.extend(decoded.rejects.values())
            iterator = page.next_iterator
            if not page.records:
                break
        else:
            cut = True
    samples = concat(pages)
    newest = np.argsort(samples.created, kind="stable")[-NEWEST:]
    return Newest(samples.take(newest), tuple(rejects), cut, decoder.devices)


def judge_newest(newest: Newest, bundle: Bundle, *, time_keyed: bool) -> list[Finding]:
    """The findings about the newest records."""
    samples = newest.samples
    written = samples.take(samples.kind != Kind.REMOVED)
    if len(written) == 0:
        return [
            Finding(
                "newest records",
                State.NOTE,
                "none in the stream (it keeps 24 h)",
                "write a sample and run doctor again: its unit, clock and range are then checked",
            )
        ]
    readable = written.take(np.isfinite(written.ts))
    findings = [_classes(written, newest)]
    if len(readable):
        unit = _unit(readable)
        # With times in another unit the other checks mean nothing.
        findings += [unit] if unit.state is State.FAULT else [unit, _clock(readable), _range(readable, bundle)]
    findings += _overwritten(readable, newest.devices)
    if time_keyed and len(devices := np.unique(readable.device)) > 1:
        findings.append(
            Finding(
                "devices",
                State.FAULT,
                f"{len(devices)} devices write to a table keyed by ts alone: they overwrite each other's samples",
                "key the table by device and ts",
            )
        )
    return findings


def _open_shards(streams: Streams) -> Iterator[str]:
    after: str | None = None
    while True:
        listing = streams.describe(after)
        yield from (node.shard for node in listing.shards if not node.closed)
        if listing.next_shard is None or listing.next_shard == after:
            return
        after = listing.next_shard


def _classes(written: Samples, newest: Newest) -> Finding:
    bad = int(np.isin(written.kind, [k for k in Kind if k.quarantined]).sum())
    said = f"{len(written)} of the newest looked at" + (", but the stream holds newer ones" if newest.cut else "")
    if bad == 0:
        return Finding("newest records", State.FINE, said)
    state = State.FAULT if bad == len(written) else State.NOTE
    return Finding("newest records", state, f"{said}; {bad} would be quarantined: {newest.rejects[-1].reason}")


def _unit(readable: Samples) -> Finding:
    if float(np.median(readable.ts)) > MILLISECONDS_FROM:
        return Finding("ts", State.FAULT, "looks like milliseconds", "write epoch seconds; fractions are welcome")
    return Finding("ts", State.FINE, "epoch seconds")


def _clock(readable: Samples) -> Finding:
    behind = float(np.median(readable.created - readable.ts))
    said = f"the device's samples are written {abs(behind):.1f} s {'after' if behind >= 0 else 'before'} their ts"
    if behind > LATE_S or -behind > FUTURE_S:
        return Finding("clock", State.FAULT, said, "set the device's clock: such samples are not scored as they stand")
    if abs(behind) > CLOCK_FINE_S:
        return Finding("clock", State.NOTE, said, "an upload after a lost connection looks like this, or a wrong clock")
    return Finding("clock", State.FINE, said)


def _range(readable: Samples, bundle: Bundle) -> Finding:
    current_a, temperature_c = bundle.config.training_range.current_a, bundle.config.training_range.temperature_c
    inside = (
        (readable.current_a >= current_a[0])
        & (readable.current_a <= current_a[1])
        & (readable.temperature_c >= temperature_c[0])
        & (readable.temperature_c <= temperature_c[1])
    )
    outside = 1.0 - float(inside.mean())
    trained = f"{current_a[0]:.3g} to {current_a[1]:.3g} A and {temperature_c[0]:.3g} to {temperature_c[1]:.3g} °C"
    if outside > OUTSIDE_MOST:
        return Finding(
            "training range",
            State.NOTE,
            f"{outside:.0%} of the newest lie outside what the bundle was trained on, {trained}",
            "train a bundle on your own charges, or it will always alarm",
        )
    return Finding("training range", State.FINE, f"{1 - outside:.0%} of the newest lie inside {trained}")


def _overwritten(readable: Samples, devices: Names) -> list[Finding]:
    """Samples that have the ``ts`` of another of their device, and other readings. Nothing where there are none."""
    last: dict[tuple[int, float], Reading] = {}
    seen, changed, material = Counter[int](), Counter[int](), Counter[int]()
    usable = readable.take(readable.kind == Kind.SAMPLE)
    columns = (usable.device, usable.ts, usable.current_a, usable.temperature_c)
    for device, ts, current_a, temperature_c in zip(*(column.tolist() for column in columns), strict=True):
        reading = Reading(current_a, temperature_c)
        before = last.get((device, ts), reading)
        last[device, ts] = reading
        seen[device] += 1
        changed[device] += before != reading
        material[device] += differs(before, reading)
    if not changed.total():
        return []
    worst = max(changed, key=lambda device: (material[device] / seen[device], changed[device]))
    said = (
        f"{changed[worst]} of the newest {seen[worst]} samples of {flat(devices[worst])!r} overwrite another of the "
        "same ts with other readings"
    )
    if material[worst] >= OVERWRITTEN_MOST * seen[worst]:
        advice = "give each device a name of its own; write ts in UTC, and with its fractions"
        return [Finding("overwritten", State.FAULT, f"{said}: do two devices write under one name?", advice)]
    return [Finding("overwritten", State.NOTE, said, "a few corrections look like this, or two loggers of one battery")]
