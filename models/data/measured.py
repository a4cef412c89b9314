"""Training material from recorded charges."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from models.data.material import LEAST_SAMPLES, LEAST_UNITS, Material
from models.data.recordings import SESSION_GAP_S, Recording, RecordingError, series
from models.data.sessions import HELD_OUT, hours, split
from window.samples import Samples

_NAMED = 6


def material(recordings: Sequence[Recording], seed: int) -> Material:
    """Split recordings into training and validation: whole recordings, or whole sessions if there are fewer than eight
    recordings. Broken and labelled samples are left out.

    Raises `RecordingError` that says how many more charges are needed.
    """
    by_recording = [_sessions(one, LEAST_SAMPLES) for one in recordings]
    units = [sessions for sessions in by_recording if sessions]
    whole = len(units) >= LEAST_UNITS
    if not whole:
        units = [[session] for sessions in units for session in sessions]
    if len(units) < LEAST_UNITS:
        raise RecordingError(_too_little(recordings, len(units)))
    train, validation = ([s for unit in part for s in unit] for part in split(units, seed))
    sessions = [*train, *validation]
    names = [one.name for one, found in zip(recordings, by_recording, strict=True) if found]
    devices = {device for one in recordings for device in one.devices}
    return Material(
        train,
        validation,
        test=(),
        fault_injected=validation,
        training={
            "source": "recordings",
            "summary": _summary(names, sessions, len(devices), "recordings" if whole else "sessions"),
            "recordings": len(names),
            "devices": len(devices),
        },
    )


def _sessions(recording: Recording, least: int) -> list[Samples]:
    return [s for one in series([recording]) for s in one.healthy(least=least)]


def _summary(names: Sequence[str], sessions: Sequence[Samples], devices: int, units: str) -> str:
    listed = ", ".join(textwrap.shorten(name, 60, placeholder="…") for name in names[:_NAMED])
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    of = "" if devices == len(names) else f" of {_count(devices, 'device')}"
    return (
        f"Recorded charges: {_count(len(names), 'recording')} ({listed}{more}){of}, "
        f"{_count(len(sessions), 'session')}, {hours(sessions):.1f} h, {sum(map(len, sessions)):,} samples. "
        f"{HELD_OUT:.0%} of the {units} were held out for thresholds and calibration."
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _too_little(recordings: Sequence[Recording], there: int) -> str:
    every = [s for one in recordings for s in _sessions(one, 1)]
    return (
        f"too little to train on: {there} of the {len(every)} sessions ({hours(every):.2f} h in "
        f"{_count(len(recordings), 'recording')}) have {LEAST_SAMPLES} good samples or more, and {LEAST_UNITS} such "
        f"sessions are needed. Record {LEAST_UNITS - there} more charges; if there are some, their samples may be too "
        f"far apart: a gap of more than {SESSION_GAP_S:.0f} s ends a session"
    )
