"""The health of every device's data: the detectors of this room, applied to all devices of a lane.

Pure, and a function of the records in merged order. `Watch.observe` says what a run of records would mean, and
`Watch.apply` makes it so. Deadlines run on the watermark: `Watch.due` is the next, and `Watch.fire` says what it means
that nothing came before it. To add a kind of notice: see `reporting.contract.health_kinds`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from reporting.health import clock, late, misfit, overwritten, quarantine, silence, stuck
from reporting.health.deadlines import Deadlines
from reporting.health.device import Device, Record, Rows
from reporting.health.late import LATE_QUIET_S
from reporting.health.notice import Notice
from reporting.health.overwritten import Overwrite
from reporting.health.silence import SILENCE_S
from reporting.health.state import DeviceHealth
from scoring.succession import Succession
from window.samples import Floats, Kind, Kinds, Names, Samples


@dataclass(frozen=True, slots=True)
class Observation:
    """What a run of records means.

    ``kind`` (n,): their kinds, corrected for clocks that are known to be wrong. ``notices``: each with the row it
    belongs to, in order. ``states``: by device code, after the run. ``set_back``: the rows, in order, from which on a
    device's clock is known to be further behind than before. The samples of later times in its window must go then: no
    sample will ever follow them.
    """

    kind: Kinds
    notices: tuple[tuple[int, Notice], ...]
    states: Mapping[int, DeviceHealth]
    set_back: tuple[int, ...] = ()


class Watch:
    """Watches all devices of a lane. ``names``: the table of device codes. ``table``: named in commands. ``bundles``:
    those that score the lane's samples."""

    def __init__(self, table: str, names: Names, bundles: Succession) -> None:
        self._table = table
        self._bundles = bundles
        self._names = names
        self._states: dict[int, DeviceHealth] = {}
        self._deadlines = Deadlines(names)
        self._forgotten: list[int] = []

    @property
    def states(self) -> dict[str, DeviceHealth]:
        """The state of each device, by name."""
        return {self._names[code]: state for code, state in self._states.items()}

    @property
    def settled(self) -> dict[str, DeviceHealth]:
        """The states without the open fits. A head has no room for those: they lie beside the windows, and are the same
        again once the records are read again up to the head."""
        return {name: replace(state, fit=None) if state.fit else state for name, state in self.states.items()}

    @property
    def due(self) -> float:
        """The stamp of the next deadline; infinite where none is."""
        return self._deadlines.next

    def restore(self, states: Mapping[str, DeviceHealth]) -> None:
        """Replace all states."""
        self._states = {}
        self._deadlines.clear()
        for name, state in states.items():
            self._keep(self._names.code(name), state)

    def resume(self, settled: Mapping[str, DeviceHealth]) -> None:
        """Replace all states by those that were `settled`. Open fits stay."""
        fits = {name: state.fit for name, state in self.states.items() if state.fit is not None}
        counted = {name: fit for name, fit in fits.items() if name in settled and fit.bundle != settled[name].asked}
        self.restore({name: replace(state, fit=counted.get(name)) for name, state in settled.items()})

    def _device(self, code: int) -> Device:
        return Device(self._names[code], self._table, self._states.get(code, DeviceHealth()))

    def _keep(self, device: int, state: DeviceHealth) -> None:
        self._states[device] = state
        self._deadlines.set(device, deadline(state))

    def observe(self, samples: Samples, stamp: Floats) -> Observation:
        """What these records, in merged order, with stamps of shape (n,), mean. Changes nothing."""
        kind = samples.kind.copy()
        notices: list[tuple[int, Notice]] = []
        set_back: list[int] = []
        states: dict[int, DeviceHealth] = {}
        alive = kind != Kind.REMOVED  # removed by TTL, long after: this proves no life of the device
        by_device = np.flatnonzero(alive)
        by_device = by_device[np.argsort(samples.device[by_device], kind="stable")]
        codes, begins = np.unique(samples.device[by_device], return_index=True)
        for code, rows in zip(codes, np.split(by_device, begins[1:]), strict=True) if len(codes) else ():
            device = self._device(int(code))
            _follow(device, samples, stamp, rows, kind)
            misfit.follow(device, samples, stamp, rows[kind[rows] == Kind.SAMPLE], self._bundles)
            states[int(code)] = device.state
            notices += device.notices
            set_back += device.set_back
        notices.sort(key=lambda found: found[0])
        return Observation(kind, tuple(notices), states, tuple(sorted(set_back)))

    def reach(self, samples: Samples, stamp: Floats, passed: Floats) -> int:
        """How many leading records, at least one, can be observed in one go: those before the first deadline that no
        earlier record among them moves. ``stamp``: as in `observe`; ``passed``: the watermark when each record is
        processed, never falling, (n,). Too few do no harm: then the records are observed in two goes.
        """
        rows = len(passed)
        order = np.argsort(samples.device, kind="stable")
        adjacent = np.flatnonzero(samples.device[order[1:]] == samples.device[order[:-1]])
        following = np.full(rows, rows)
        following[order[adjacent]] = order[adjacent + 1]
        met = np.searchsorted(passed, stamp + SILENCE_S)
        end = int(np.where(following < met, rows, met).min())
        late_rows = samples.kind == Kind.LATE
        if late_rows.any():
            end = min(end, int(np.searchsorted(passed, stamp[late_rows] + LATE_QUIET_S).min()))
        for code in self._deadlines.until(float(passed[-1])):
            row = int(np.searchsorted(passed, deadline(self._states[code])))
            if self._states[code].late is not None or not (samples.device[:row] == code).any():
                end = min(end, row)
        return max(1, end)

    def apply(self, observation: Observation) -> None:
        """Take over the states of an observation: its records are processed."""
        for device, state in observation.states.items():
            self._keep(device, state)

    def fire(self) -> list[Notice]:
        """The watermark has reached `due` and no record came before: the notices of the one device that is due, the
        first by name where there are several."""
        due, code = self.due, self._deadlines.first()
        device = self._device(code)
        if silence.forgets(device.state, due):
            _forget(device, due)
            del self._states[code]
            self._deadlines.drop(code)
            self._forgotten.append(code)
        else:
            late.expire(device, due)
            silence.expire(device, due)
            self._keep(code, device.state)
        return [notice for _, notice in device.notices]

    def alive(self, device: int, stamp: float) -> None:
        """A sample of a device has come with this stamp and is observed later: no silence begins meanwhile."""
        state = self._states.get(device)
        if state is not None and not state.silent:
            self._keep(device, replace(state, last=max(state.last, stamp)))

    def outrun(self, device: int, ts: float, stamp: float) -> None:
        """A sample was older than its window, so it was not scored: it is reported as a late one (rule 24)."""
        found = self._device(device)
        late.follow(found, Record(0, ts, stamp, stamp), Kind.LATE)
        self._keep(device, found.state)

    def overwrote(self, device: int, overwrite: Overwrite, stamp: float) -> list[Notice]:
        """The sample that was applied last has overwritten another of its device."""
        found = self._device(device)
        overwritten.overwrote(found, overwrite, stamp)
        self._keep(device, found.state)
        return [notice for _, notice in found.notices]

    def expect(self, device: int, stamp: float) -> None:
        """A device is known from the table alone, its last sample at ``stamp``: its silence gets no notice."""
        if device not in self._states:
            self._keep(device, DeviceHealth(last=stamp, silent=True, context=True))

    def release(self, device: int) -> DeviceHealth | None:
        """Another lane watches a device from now on. Returns its state; None for a device that is not watched."""
        if device in self._states:
            self._deadlines.drop(device)
        return self._states.pop(device, None)

    def adopt(self, device: int, state: DeviceHealth) -> None:
        """Watch a device from now on that another lane has watched until now."""
        self._keep(device, state)

    def forgotten(self) -> list[int]:
        """The codes of the devices forgotten since the last call. A device is forgotten after a day of silence, so that
        names that come and go take no memory. One that comes back counts as a new device."""
        forgotten, self._forgotten = self._forgotten, []
        return forgotten


def deadline(state: DeviceHealth) -> float:
    """The stamp at which something is due for a device if no record of it comes before."""
    return min(silence.deadline(state), late.deadline(state))


def _follow(device: Device, samples: Samples, stamp: Floats, rows: Rows, kind: Kinds) -> None:
    """Let the detectors of records examine the device's ``rows``, in order. Corrects ``kind`` in place."""
    silence.end(device, rows, stamp[rows])
    state = device.state
    odd = kind[rows] != Kind.SAMPLE
    if odd.any() or state.suspect or state.skew_s is not None or state.late:
        for row in rows:
            record = Record(int(row), float(samples.ts[row]), float(samples.created[row]), float(stamp[row]))
            kind[row] = _examine(device, record, Kind(int(kind[row])))
    on_time = rows[kind[rows] == Kind.SAMPLE]
    if len(on_time):
        stuck.follow(device, samples, stamp, on_time)
        overwritten.follow(device, stamp, on_time)
    device.update(last=max(device.state.last, float(stamp[rows].max())), context=False)


def _examine(device: Device, record: Record, kind: Kind) -> Kind:
    """The kind of one record, once its device's clock is taken into account."""
    if kind in (Kind.LATE, Kind.FUTURE):
        kind = clock.corrected(device, record, kind)
    elif kind is Kind.SAMPLE:
        clock.right(device, record)
    late.follow(device, record, kind)
    quarantine.follow(device, record, kind)
    return kind


def _forget(device: Device, at: float) -> None:
    """Close all notices of a device that is forgotten. A device known from the table alone has none."""
    if not device.state.context:
        said = silence.forget(device, at)
        stuck.forget(device, at, said)
        clock.forget(device, at, said)
        overwritten.forget(device, at, said)
