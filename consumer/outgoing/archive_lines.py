"""The lines of the archive that windows still have, by device and minute of event time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from reporting.anomaly.episode import Anomaly
from reporting.anomaly.evidence import Evidence
from reporting.anomaly.faults import reading
from reporting.keys import MINUTE_S, minute_key, minute_of
from reporting.sinks.archive import StoredObject
from scoring.faults import FaultKind
from scoring.scorer import Scored
from scoring.severity import Severity
from scoring.succession import Succession
from window.rolling import RETAINED_S
from window.samples import Names

Minute = tuple[str, int]
"""A device and the start of a minute, epoch seconds."""


@dataclass(frozen=True, slots=True)
class Line:
    """An anomalous sample in the archive: its text, newline included, its kinds of fault, its severity, and for each of
    its kinds the reading and what was usual."""

    text: bytes
    kinds: tuple[FaultKind, ...]
    severity: Severity
    readings: tuple[tuple[float, float] | None, ...]


Lines = dict[float, Line]
"""By ``ts``."""


@dataclass(frozen=True, slots=True)
class Change:
    """A row whose line in the archive changed. ``evidence``: None where it is no anomaly any more; ``before``: its
    kinds of fault until now; ``judged``: its verdict, its scores or its kinds are others than before."""

    row: int
    evidence: Evidence | None
    before: tuple[FaultKind, ...]
    judged: bool


class ArchiveLines:
    """Keeps the lines of each minute, and makes its object."""

    def __init__(self) -> None:
        self._lines: dict[str, dict[int, Lines]] = {}
        self._detached: dict[Minute, Lines] = {}

    def of(self, device: str, minute: int) -> Lines:
        """The lines of a minute, to be changed."""
        return self._lines.setdefault(device, {}).setdefault(minute, {})

    def update(self, scored: Scored, devices: Names, bundles: Succession) -> Iterator[Change]:
        """Bring the lines up to date with rows that were scored. Yields what changed: also of a row whose scores are as
        they were, where a sample out of order changed what was expected there."""
        verdicts = scored.verdicts
        for row in np.flatnonzero(verdicts.anomaly | (scored.changed & scored.was_anomaly)):
            device, ts = devices[int(scored.device[row])], float(scored.ts[row])
            lines = self.of(device, minute_of(ts))
            before = lines.get(ts)
            kinds = before.kinds if before is not None else ()
            if not verdicts.anomaly[row]:
                lines.pop(ts, None)
                yield Change(int(row), None, kinds, judged=True)
                continue
            bundle = bundles.at(int(scored.device[row]), ts)
            evidence = Evidence.of(scored, int(row), device=device, bundle=bundle)
            now = evidence.explanation.kinds
            readings = tuple(reading(kind, evidence) for kind in now)
            lines[ts] = Line(evidence.line(), now, evidence.severity, readings)
            if lines[ts] != before:
                judged = bool(scored.changed[row]) or now != kinds
                yield Change(int(row), evidence, kinds, judged)

    def between(self, device: str, kind: FaultKind, first: float, last: float) -> list[Anomaly]:
        """The samples that show a kind of fault now, from one time to another, in order of time."""
        minutes = self._lines.get(device, {})
        found = []
        for at in sorted(at for at in minutes if minute_of(first) <= at <= last):
            for ts, line in sorted(minutes[at].items()):
                if first <= ts <= last and kind in line.kinds:
                    read = line.readings[line.kinds.index(kind)]
                    found.append(Anomaly(ts, ts, line.severity, strong=True, kind=kind, reading=read))
        return found

    def object(self, minute: Minute) -> StoredObject:
        """The archive object of a minute as the window now has it."""
        device, at = minute
        lines = self._lines.get(device, {}).get(at, self._detached.get(minute, {}))
        return StoredObject(
            minute_key(*minute), b"".join(lines[ts].text for ts in sorted(lines)), "application/x-ndjson"
        )

    def forget(self, device: str, newest: float, waiting: Collection[Minute]) -> None:
        """Drop the minutes that have left a device's window, whose newest sample is at ``newest``, and do not wait for
        a commit."""
        horizon = newest - RETAINED_S
        there = self._lines.get(device, {})
        for at in [at for at in there if at + MINUTE_S < horizon and (device, at) not in waiting]:
            del there[at]
        if not there:
            self._lines.pop(device, None)

    def detach(self, device: str) -> None:
        """A device is forgotten. Its minutes that wait for the commit are written as they stand. If the device comes
        back before the commit, its new samples do not join them; after the commit they would not either."""
        for at, lines in self._lines.pop(device, {}).items():
            self._detached[device, at] = lines

    def keep_detached(self, waiting: Collection[Minute]) -> None:
        """Drop the minutes of forgotten devices that do not wait for a commit."""
        self._detached = {minute: lines for minute, lines in self._detached.items() if minute in waiting}

    def release(self, device: str) -> dict[int, Lines]:
        """Take out the minutes of a device that another lane has from now on."""
        return self._lines.pop(device, {})

    def adopt(self, device: str, minutes: dict[int, Lines]) -> None:
        """Go on with the minutes of a device that another lane has had until now."""
        if minutes:
            self._lines[device] = minutes
