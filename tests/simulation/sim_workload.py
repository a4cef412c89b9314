"""What a charging battery, its logger and its network write into the table: drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from random import Random
from typing import Any

from sim_bundle import NORMAL_A, NORMAL_C
from sim_script import Write

LATE_S, FUTURE_S = 25 * 60.0, 5 * 60.0
LIVE_DELAY_S = 0.5


@dataclass(frozen=True, slots=True)
class Workload:
    """How much is written, and how badly.

    ``begin``, ``live``, ``end``: epoch seconds; from ``live`` on, someone reads while it is written. Until then samples
    are held back up to ``delay_s`` and come out of order, and a reconnect sends ``bursts`` of old ones; after it too
    where ``rough_live``. ``offsets_s``: how far each device's clock is ahead. The rest are chances a sample.
    """

    begin: float
    live: float
    end: float
    devices: tuple[str | None, ...] = (None,)
    offsets_s: tuple[float, ...] = (0.0,)
    period_s: float = 5.0
    fraction: bool = False
    delay_s: float = 0.0
    bursts: int = 0
    rough_live: bool = False
    anomalies: int = 2
    modified: float = 0.0
    removed: float = 0.0
    malformed: float = 0.0
    device_keyed: bool = False

    @property
    def disordered(self) -> bool:
        """Are a device's samples written out of order, or by a clock that is wrong?"""
        return bool(self.delay_s or self.bursts or self.modified or any(self.offsets_s))

    def writes(self, rng: Random) -> list[Write]:
        """All changes of the table, in order of writing, no two at the same time."""
        drawn: list[tuple[float, _Change]] = []
        for device, offset_s in zip(self.devices, self.offsets_s, strict=True):
            drawn += self._of_device(rng, device, offset_s)
        drawn.sort(key=lambda d: d[0])
        writes: list[Write] = []
        known: set[tuple[str | None, str]] = set()
        at = 0.0
        for written, change in drawn:
            at = max(written, at + 1e-3)
            writes.append(self._write(at, change, known))
        return writes

    def _of_device(self, rng: Random, device: str | None, offset_s: float) -> list[tuple[float, _Change]]:
        held = [self._interval(rng, 30.0, 1300.0) for _ in range(self.bursts)]
        strange = [
            (*self._interval(rng, 2 * self.period_s, 8 * self.period_s), rng.choice(_FAULTS))
            for _ in range(self.anomalies)
        ]
        found: list[tuple[float, _Change]] = []
        true = self.begin + rng.uniform(0.1, 0.9)
        while true < self.end:
            time = true + offset_s
            ts = f"{time:.3f}".rstrip("0").rstrip(".") if self.fraction else str(floor(time))
            current_a, temperature_c = NORMAL_A + rng.uniform(-0.2, 0.2), NORMAL_C + rng.uniform(-0.2, 0.2)
            for start, stop, (more_a, more_c) in strange:
                if start <= true < stop:
                    current_a, temperature_c = current_a + more_a, temperature_c + more_c
            written = self._written(rng, true, held)
            sample = _Change(device, ts, {"N": f"{current_a:.3f}"}, {"N": f"{temperature_c:.2f}"})
            if rng.random() < self.malformed:
                sample = _spoilt(rng, sample, time)
            found.append((written, sample))
            if rng.random() < self.modified:
                other = {"N": f"{current_a + rng.choice([0.0, 0.1, 4.0]):.3f}"}
                again = self._later(rng, written)
                found.append((again, _Change(device, sample.ts, other, sample.temperature)))
            if rng.random() < self.removed:
                found.append((self._later(rng, written), _Change(device, sample.ts, None, None)))
            true += self.period_s
        return found

    def _interval(self, rng: Random, least_s: float, most_s: float) -> tuple[float, float]:
        until = self._rough_until
        start = rng.uniform(self.begin, max(self.begin + 1.0, until - least_s))
        return start, min(start + rng.uniform(least_s, most_s), max(until, start))

    def _written(self, rng: Random, true: float, held: list[tuple[float, float]]) -> float:
        for start, stop in held:
            if start <= true < stop:
                return stop + rng.uniform(0.0, 2.0)
        prompt = true + rng.uniform(0.02, LIVE_DELAY_S)
        if self.delay_s == 0.0 or rng.random() < 0.6:
            return prompt
        written = true + rng.uniform(0.0, self.delay_s)
        return written if written < self._rough_until else prompt

    def _later(self, rng: Random, written: float) -> float:
        again = written + rng.choice([0.0, 0.5, 5.0, 120.0]) + rng.uniform(0.01, 1.0)
        return again if again < self._rough_until else written + rng.uniform(0.01, 0.2)

    @property
    def _rough_until(self) -> float:
        """Held back past the moment someone reads live, a record would be a rough live one."""
        return self.end if self.rough_live else self.live - 1.0

    def _write(self, at: float, change: _Change, known: set[tuple[str | None, str]]) -> Write:
        name = {"device": {"S": change.device}} if change.device is not None else {}
        time = {"ts": {"N": change.ts}}
        if self.device_keyed:
            key, keys, route = (change.device, ""), name, str(change.device)
        else:
            key, keys, route = (change.device, change.ts), {**time, **name}, change.ts
        if change.current is None and change.temperature is None:
            known.discard(key)
            return Write(at, "REMOVE", keys, None, "ignored", route)
        image: dict[str, Any] = {**time, **name}
        if change.current is not None:
            image["current"] = change.current
        if change.temperature is not None:
            image["temperature"] = change.temperature
        event = "MODIFY" if key in known else "INSERT"
        known.add(key)
        return Write(at, event, keys, image, expected_class(image, floor(at)), route)


@dataclass(frozen=True, slots=True)
class _Change:
    """A sample as the logger sends it; without any reading, its removal."""

    device: str | None
    ts: str
    current: dict[str, Any] | None
    temperature: dict[str, Any] | None


_FAULTS = ((5.0, 0.0), (-4.0, 0.0), (0.0, 30.0), (8.0, 40.0))


def _spoilt(rng: Random, sample: _Change, time: float) -> _Change:
    """A broken sensor, or a broken logger."""
    broken = rng.choice([{"S": "n/a"}, {"NULL": True}, {"N": "3.4e38"}, {"N": "1e999"}, None, {}])
    if broken is None:
        return _Change(sample.device, sample.ts, None, sample.temperature)
    if broken == {}:
        return _Change(sample.device, str(floor(time * 1000)), sample.current, sample.temperature)
    return _Change(sample.device, sample.ts, sample.current, broken)


def expected_class(image: dict[str, Any], created: float) -> str:
    """Rule 2, in other words than the decoder's."""
    readings = [image.get(name, {}).get("N", "") for name in ("current", "temperature")]
    if "" in readings or any(abs(float(reading)) > 1e5 for reading in readings):
        return "quarantined"
    age_s = created - float(image["ts"]["N"])
    if age_s < -FUTURE_S:
        return "quarantined"
    return "late" if age_s > LATE_S else "scored"
