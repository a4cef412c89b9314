"""A replay of recorded data says what the worker says about the same samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
from sim_cases import BEGIN, Reading, charge, rotation, stream
from sim_outcome import Outcome
from sim_script import Script
from sim_world import Plan, World

from battery_watch.options.inputs import RecordedInput
from battery_watch.replay.run import replay_recordings
from models.data.files import read
from scoring.bundle import Bundle

OF_THE_PLACE = ("position", "archive", "chart")


def recorded(script: Script, path: Path) -> RecordedInput:
    """What was written into the table, as a file."""
    rows = []
    for write in script.writes:
        image = write.image or {}
        values = [image[name]["N"] for name in ("ts", "current", "temperature")]
        rows.append(",".join([*values, image.get("device", {}).get("S", "")]))
    path.write_text("\n".join(["ts,current,temperature,device", *rows]) + "\n")
    return RecordedInput(read([path]), script.table)


def said(events: list[Any]) -> list[Any]:
    """Without where the record lay and when it was written down."""
    for event in events:
        for name in ("sequence", "recordedtime"):
            event.pop(name, None)
        for name in OF_THE_PLACE:
            event["data"].pop(name, None)
    return events


def by_device(messages: list[Any]) -> dict[str, list[Any]]:
    """In their order."""
    found: dict[str, list[Any]] = {}
    for message in messages:
        found.setdefault(message["subject"], []).append(message)
    return found


def test_a_replay_says_what_the_worker_said(bundle: Bundle, tmp_path: Path) -> None:
    """Anomalies, episodes, silence, a stuck sensor and a broken reading, of two devices over shards that roll over: the
    same messages with the same ids, but for positions."""
    stuck = [Reading(float(t), current_a=4.0, place=t * 0.37 % 1.0) for t in range(700, 800)]
    own = [
        *charge(0.0, 300.0, strange=[40.0, 41.0, 45.0, 200.0]),
        Reading(310.0, temperature_c=700.0),
        *charge(500.0, 600.0, strange=[555.0]),
        *stuck,
        *charge(800.0, 900.0),
    ]
    other = [
        Reading(r.ts + 0.5, r.ts + 0.6, r.current_a, r.temperature_c, r.place, "other")
        for r in charge(2.0, 850.0, period_s=7.0, strange=[100.0, 107.0])
    ]
    own = [replace(each, device="own") for each in own]
    script = stream([*own, *other], rotation([200.0, 450.0]))
    plan = Plan(begins=BEGIN - 40.0, calm_until=BEGIN, start="latest")
    watched = Outcome.of(World(script, bundle, plan).run())

    taken = recorded(script, tmp_path / "device4.csv")
    (replayed,) = replay_recordings(taken, bundle, publish="both", progress=lambda *_: None)
    expected = {device: said(events) for device, events in watched.messages.items()}
    found = by_device(said([orjson.loads(message.body) for message in replayed.messages]))
    kinds = {event["type"] for events in expected.values() for event in events}
    assert kinds == {
        *("anomaly.sample", "anomaly.opened", "anomaly.closed"),
        *("health.silence", "health.stuck", "health.quarantine"),
    }
    assert found == expected
    assert sum(counts["scored"] for counts in replayed.counts.values()) == len(script.writes) - 1
