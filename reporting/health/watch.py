"""The health of every device's data: silence, stuck sensors, wrong clocks, late uploads, records set aside, and (in
`reporting.health.misfit`) a battery that the bundle does not know.

Pure, and a function of the records in merged order: `Watch.observe` says what a run of records would mean, `apply`
makes it so. Deadlines run on the watermark: `due` is the next, and `fire` what it means that nothing came before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf

import numpy as np
from numpy.typing import NDArray

from reporting.contract.events import utc
from reporting.health import misfit
from reporting.health.misfit import Fit
from reporting.health.notice import Notice
from scoring.succession import Succession
from window.samples import Floats, Kind, Kinds, Names, Samples

SILENCE_S = 120.0
FORGET_S = 86_400.0
STUCK_SAMPLES, STUCK_S = 30, 60.0
SKEW_SAMPLES, SKEW_SPAN_S, SKEW_WITHIN_S = 3, 10.0, 60.0
LATE_QUIET_S = 60.0
QUARANTINE_EVERY_S = 3600.0
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Run:
    """Adjacent records of one device that belong together: the first one's ``ts`` and clock ``offset_s``, the last
    one's ``until``, and how many they are."""

    since: float
    until: float
    offset_s: float
    count: int


@dataclass(frozen=True, slots=True)
class Frozen:
    """A reading that repeats: since which stamp, how often, and whether it was told."""

    current_a: float
    temperature_c: float
    since: float
    count: int
    told: bool = False


@dataclass(frozen=True, slots=True)
class DeviceHealth:
    """What is remembered of a device. ``last``: the stamp of its last record. ``skew_s``: how far its clock is known
    to be ahead; ``suspect``: records that may show that it is. ``context``: it is known from the table alone, of the
    time before the first start, and nothing was told of it. ``asked``: the last bundle of which it is settled whether
    it knows this battery; ``fit``: where that is open."""

    last: float = 0.0
    silent: bool = False
    context: bool = False
    frozen: Frozen | None = None
    skew_s: float | None = None
    suspect: Run | None = None
    late: Run | None = None
    late_stamp: float = 0.0
    quarantine_told: float | None = None
    asked: str = ""
    fit: Fit | None = None

    @property
    def deadline(self) -> float:
        """The stamp at which something is due if no record comes before."""
        silence = self.last + (FORGET_S if self.silent else SILENCE_S)
        return min(silence, self.late_stamp + LATE_QUIET_S if self.late else inf)


@dataclass(frozen=True, slots=True)
class Observation:
    """What a run of records means: their ``kind`` (n,), corrected for clocks known to be wrong; notices with the row
    they belong to, in order; the states after it; and the rows, in order, from which on a device's clock is known to be
    further behind than before: what its window holds of later times will never be followed."""

    kind: Kinds
    notices: tuple[tuple[int, Notice], ...]
    states: Mapping[int, DeviceHealth]
    set_back: tuple[int, ...] = ()


class Watch:
    """Watches all devices of a lane. ``names`` gives the names of device codes; ``table`` is named in commands;
    ``bundles``: those that score the lane's samples."""

    def __init__(self, table: str, names: Names, bundles: Succession) -> None:
        self._table = table
        self._bundles = bundles
        self._names = names
        self._states: dict[int, DeviceHealth] = {}
        self._deadlines: dict[int, float] = {}
        self._forgotten: list[int] = []

    @property
    def states(self) -> dict[str, DeviceHealth]:
        """By device: what is remembered."""
        return {self._names[code]: state for code, state in self._states.items()}

    @property
    def settled(self) -> dict[str, DeviceHealth]:
        """The same without what is only counted so far: that is no part of a head, which has no room for it, but lies
        beside the windows, and is the same again once they are read up to the head."""
        return {name: replace(state, fit=None) if state.fit else state for name, state in self.states.items()}

    @property
    def due(self) -> float:
        """The stamp of the next deadline; infinite where none is."""
        return min(self._deadlines.values(), default=inf)

    def restore(self, states: Mapping[str, DeviceHealth]) -> None:
        """Put back what was remembered, in place of all that is."""
        self._states, self._deadlines = {}, {}
        for name, state in states.items():
            self._keep(self._names.code(name), state)

    def resume(self, settled: Mapping[str, DeviceHealth]) -> None:
        """Put back what was ``settled``; what was counted so far stays."""
        fits = {name: state.fit for name, state in self.states.items() if state.fit is not None}
        counted = {name: fit for name, fit in fits.items() if name in settled and fit.bundle != settled[name].asked}
        self.restore({name: replace(state, fit=counted.get(name)) for name, state in settled.items()})

    def _keep(self, device: int, state: DeviceHealth) -> None:
        self._states[device] = state
        self._deadlines[device] = state.deadline

    def observe(self, samples: Samples, stamp: Floats) -> Observation:
        """What these records mean, in merged order, stamps of shape (n,). Changes nothing."""
        kind = samples.kind.copy()
        notices: list[tuple[int, Notice]] = []
        set_back: list[int] = []
        states: dict[int, DeviceHealth] = {}
        alive = kind != Kind.REMOVED  # by TTL, long after: no sign of life
        for code in np.unique(samples.device[alive]):
            rows = np.flatnonzero((samples.device == code) & alive)
            device = _Device(self._names[int(code)], self._table, self._states.get(int(code), DeviceHealth()))
            device.follow(samples, stamp, rows, kind)
            device.compare(samples, stamp, rows[kind[rows] == Kind.SAMPLE], self._bundles)
            states[int(code)] = device.state
            notices += device.notices
            set_back += device.set_back
        notices.sort(key=lambda found: found[0])
        return Observation(kind, tuple(notices), states, tuple(sorted(set_back)))

    def reach(self, samples: Samples, stamp: Floats, passed: Floats) -> int:
        """How many leading records, at least one, can be observed in one go: up to the first deadline that is not moved
        by an earlier one of them. ``stamp`` as in `observe`; ``passed``: the watermark when a record's turn comes,
        never falling, (n,). Too few do no harm: they are observed in two goes.
        """
        rows = len(passed)
        order = np.argsort(samples.device, kind="stable")
        adjacent = np.flatnonzero(samples.device[order[1:]] == samples.device[order[:-1]])
        following = np.full(rows, rows)
        following[order[adjacent]] = order[adjacent + 1]
        met = np.searchsorted(passed, stamp + SILENCE_S)
        end = int(np.where(following < met, rows, met).min())
        late = samples.kind == Kind.LATE
        if late.any():
            end = min(end, int(np.searchsorted(passed, stamp[late] + LATE_QUIET_S).min()))
        for code, deadline in self._deadlines.items():
            if deadline <= passed[-1]:
                row = int(np.searchsorted(passed, deadline))
                if self._states[code].late is not None or not (samples.device[:row] == code).any():
                    end = min(end, row)
        return max(1, end)

    def apply(self, observation: Observation) -> None:
        """The records were processed."""
        for device, state in observation.states.items():
            self._keep(device, state)

    def fire(self) -> list[Notice]:
        """The watermark has reached `due` and nothing came before: what that means for the one device concerned, the
        first by name of those with that deadline."""
        due = self.due
        code = min((c for c, at in self._deadlines.items() if at == due), key=lambda c: self._names[c])
        device = _Device(self._names[code], self._table, self._states[code])
        if device.state.silent and device.state.last + FORGET_S <= due:
            device.take_leave(due)
            del self._states[code], self._deadlines[code]
            self._forgotten.append(code)
        else:
            device.expire(due)
            self._keep(code, device.state)
        return [notice for _, notice in device.notices]

    def expect(self, device: int, stamp: float) -> None:
        """A device is known from the table alone, with a last sample at ``stamp``: its silence is not told."""
        if device not in self._states:
            self._keep(device, DeviceHealth(last=stamp, silent=True, context=True))

    def forgotten(self) -> list[int]:
        """The devices forgotten since the last call: silent for a day, so that names that come and go take no memory.
        One that comes back is a new one."""
        forgotten, self._forgotten = self._forgotten, []
        return forgotten


class _Device:
    """One device's way through a run of records."""

    def __init__(self, name: str, table: str, state: DeviceHealth) -> None:
        self.name = name
        self.table = table
        self.state = state
        self.notices: list[tuple[int, Notice]] = []
        self.set_back: list[int] = []

    def follow(self, samples: Samples, stamp: Floats, rows: Rows, kind: Kinds) -> None:
        """Go through the device's ``rows``; corrects ``kind`` in place."""
        ts, created = samples.ts, samples.created
        if self.state.silent and not self.state.context:
            self._close_silence(int(rows[0]), float(stamp[rows[0]]))
        odd = kind[rows] != Kind.SAMPLE
        if odd.any() or self.state.suspect or self.state.skew_s is not None or self.state.late:
            for row in rows:
                kind[row] = self._class(int(row), Kind(int(kind[row])), float(ts[row]), float(created[row]), stamp)
        scored = rows[kind[rows] == Kind.SAMPLE]
        if len(scored):
            self._repeats(samples, stamp, scored)
        self.state = replace(
            self.state, last=max(self.state.last, float(stamp[rows].max())), silent=False, context=False
        )

    def compare(self, samples: Samples, stamp: Floats, scored: Rows, bundles: Succession) -> None:
        """Compare the device's ``scored`` rows with what the bundles were trained on."""
        asked, fit, found = misfit.follow(self.state.asked, self.state.fit, samples, stamp, scored, bundles)
        self.state = replace(self.state, asked=asked, fit=fit)
        command = f"battery-watch train --table {self.table} --out my-bundle"
        for one in found:
            at, said, since = float(stamp[one.row]), one.said(self.name), one.counted.since
            count, model = one.counted.outside, one.bundle.id
            self._notice(
                one.row,
                "health.misfit",
                at,
                "opened",
                said,
                since=since,
                until=at,
                count=count,
                model=model,
                command=command,
            )

    def expire(self, at: float) -> None:
        """A deadline has passed."""
        state = self.state
        if state.late is not None and state.late_stamp + LATE_QUIET_S <= at:
            self._tell_late(0, at)
        if not state.silent and state.last + SILENCE_S <= at:
            self.state = replace(self.state, silent=True)
            said = f"No sample from {self.name} since {utc(state.last):%H:%M:%S} UTC, {SILENCE_S:.0f} s ago."
            self._notice(0, "health.silence", at, "opened", said, since=state.last)

    def take_leave(self, at: float) -> None:
        """It has been silent for so long that it is forgotten: whatever was told as begun is told as over."""
        if self.state.context:
            return
        said = (
            f"Still no sample from {self.name}, for {FORGET_S / 3600:g} h: it is not watched any more. "
            "A sample that comes yet is taken for a new device's."
        )
        since = self.state.last
        self._notice(0, "health.silence", at, "closed", said, since=since, until=at)
        if self.state.frozen is not None and self.state.frozen.told:
            self._notice(0, "health.stuck", at, "closed", said, since=self.state.frozen.since, until=at)
        if self.state.skew_s is not None:
            self._notice(0, "health.clock_skew", at, "closed", said, offset_s=self.state.skew_s)

    def _close_silence(self, row: int, at: float) -> None:
        said = f"{self.name} sends again, after {at - self.state.last:.0f} s."
        self._notice(row, "health.silence", at, "closed", said, since=self.state.last, until=at)

    def _class(self, row: int, kind: Kind, ts: float, created: float, stamp: Floats) -> Kind:
        at = float(stamp[row])
        if kind in (Kind.LATE, Kind.FUTURE):
            kind = self._skewed(row, kind, ts, created, at)
        elif kind is Kind.SAMPLE:
            if self.state.skew_s is not None:
                said = f"The clock of {self.name} is right again."
                self._notice(row, "health.clock_skew", at, "closed", said, offset_s=ts - created)
                if self.state.skew_s > 0:
                    self.set_back.append(row)
            self.state = replace(self.state, skew_s=None, suspect=None)
        if kind is Kind.LATE:
            late = self.state.late
            run = (
                Run(ts, ts, 0.0, 1)
                if late is None
                else Run(min(late.since, ts), max(late.until, ts), 0.0, late.count + 1)
            )
            self.state = replace(self.state, late=run, late_stamp=at)
        elif kind is Kind.SAMPLE and self.state.late is not None and at > self.state.late_stamp:
            # Not yet within the last one's second: then two runs that differ could be told with the same times.
            self._tell_late(row, at)
        told = self.state.quarantine_told
        if kind.quarantined and (told is None or at - told >= QUARANTINE_EVERY_S):
            said = f"A record of {self.name} was set aside ({kind.name.lower()}); more within the hour are not told."
            self._notice(row, "health.quarantine", created, "opened", said, since=created)
            self.state = replace(self.state, quarantine_told=at)
        return kind

    def _skewed(self, row: int, kind: Kind, ts: float, created: float, at: float) -> Kind:
        """Is it an old or impossible sample, or a clock that is wrong and goes on being wrong by the same? An upload
        of old samples has a new offset with every sample; a wrong clock keeps it while time goes on."""
        offset = ts - created
        known = self.state.skew_s
        if known is not None and abs(offset - known) <= SKEW_WITHIN_S:
            return Kind.SAMPLE
        suspect = self.state.suspect
        if suspect is None or abs(offset - suspect.offset_s) > SKEW_WITHIN_S or ts < suspect.until:
            suspect = Run(ts, ts, offset, 1)
        else:
            suspect = replace(suspect, until=ts, count=suspect.count + 1)
        self.state = replace(self.state, suspect=suspect)
        span = suspect.until - suspect.since
        steady = abs(offset - suspect.offset_s) <= 1.0 + 0.1 * span
        if suspect.count < SKEW_SAMPLES or span < SKEW_SPAN_S or not steady:
            return kind
        if offset < (known or 0.0):
            self.set_back.append(row)
        self.state = replace(self.state, skew_s=offset, suspect=None)
        way = "ahead" if offset > 0 else "behind"
        said = f"The clock of {self.name} is {abs(offset):.0f} s {way}: its samples are scored on its own clock."
        self._notice(row, "health.clock_skew", at, "opened", said, offset_s=offset)
        return Kind.SAMPLE

    def _tell_late(self, row: int, at: float) -> None:
        run = self.state.late
        if run is None:
            return
        samples = "1 sample" if run.count == 1 else f"{run.count} samples"
        command = f"battery-watch replay --table {self.table} --since {utc(run.since):%Y-%m-%dT%H:%M:%SZ}"
        self._notice(
            row,
            "health.late",
            at,
            "opened",
            f"{samples} of {self.name} came more than 25 minutes late and were not scored.",
            since=run.since,
            until=run.until,
            count=run.count,
            command=command,
        )
        self.state = replace(self.state, late=None, late_stamp=0.0)

    def _repeats(self, samples: Samples, stamp: Floats, rows: Rows) -> None:
        """Both readings repeating to the last digit while current flows: a logger that hangs."""
        current_a, temperature_c = samples.current_a[rows], samples.temperature_c[rows]
        before = self.state.frozen
        goes_on = before is not None and (before.current_a, before.temperature_c) == (current_a[0], temperature_c[0])
        if before is not None and before.told and not goes_on:
            self._thaw(int(rows[0]), float(stamp[rows[0]]), before)
        changes = 1 + np.flatnonzero((current_a[1:] != current_a[:-1]) | (temperature_c[1:] != temperature_c[:-1]))
        starts, ends = [0, *changes], [*changes, len(rows)]
        for n, (start, end) in enumerate(zip(starts, ends, strict=True)):
            if end - start < STUCK_SAMPLES and not (n == 0 and goes_on) and end < len(rows):
                continue  # too short to matter, and over
            at = rows[start:end]
            if before is None or not (n == 0 and goes_on):
                before = Frozen(float(current_a[start]), float(temperature_c[start]), float(stamp[at[0]]), 0)
            before = self._freeze(before, stamp, at)
            if before.told and end < len(rows):
                self._thaw(int(rows[end]), float(stamp[rows[end]]), before)
        self.state = replace(self.state, frozen=before)

    def _freeze(self, frozen: Frozen, stamp: Floats, rows: Rows) -> Frozen:
        counts = frozen.count + 1 + np.arange(len(rows))
        held = (counts >= STUCK_SAMPLES) & (stamp[rows] - frozen.since >= STUCK_S)
        frozen = replace(frozen, count=frozen.count + len(rows))
        if frozen.told or frozen.current_a == 0.0 or not held.any():
            return frozen
        row = int(rows[int(held.argmax())])
        said = (
            f"{self.name} has reported exactly {frozen.current_a:g} A and {frozen.temperature_c:g} °C "
            f"for {float(stamp[row]) - frozen.since:.0f} s: a sensor or its logger is stuck."
        )
        self._notice(row, "health.stuck", float(stamp[row]), "opened", said, since=frozen.since)
        return replace(frozen, told=True)

    def _thaw(self, row: int, at: float, frozen: Frozen) -> None:
        said = f"The readings of {self.name} change again."
        self._notice(row, "health.stuck", at, "closed", said, since=frozen.since, until=at)

    def _notice(self, row: int, kind: str, at: float, state: str, summary: str, **more: object) -> None:
        self.notices.append((row, Notice(kind, self.name, at, state, summary, **more)))  # type: ignore[arg-type]
