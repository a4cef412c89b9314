"""Sends recordings through the worker's own code, each through a lane of its own."""

from __future__ import annotations

import os
from datetime import datetime

from battery_watch.options.inputs import RecordedInput
from battery_watch.options.progress import StepProgress
from consumer.offline.replay import Recorded, Replayed, WatchedTable, replay
from consumer.stream.records import Decoder, Reject
from models.data.recordings import Recording, RecordingError
from reporting.message import Publish
from scoring.bundle import Bundle
from window.samples import Names


def replay_recordings(
    recorded: RecordedInput,
    bundle: Bundle,
    *,
    since: datetime | None = None,
    device_key: str = "device",
    publish: Publish = "episodes",
    progress: StepProgress,
) -> list[Replayed]:
    """Replay recordings one after the other. Samples before ``since`` only fill the windows.

    Raises `RecordingError` where there is none after it.
    """
    total, done = sum(map(len, recorded.recordings)), 0

    def scored(records: int) -> None:
        nonlocal done
        done += records
        progress("scoring", done, total)

    # Only so that messages name the place where the worker would have archived the sample.
    bucket = os.environ.get("RESULTS_BUCKET_NAME", "")
    table = WatchedTable(recorded.table, bucket, publish, recorded.one_device, recorded.arn)
    replayed = []
    for recording in recorded.recordings:
        context, rest = recording.before(since.timestamp()) if since else (None, recording)
        total -= len(recording) - len(rest)
        if len(rest) == 0:
            raise RecordingError(f"{recording.name}: there are no samples since {since:%Y-%m-%d %H:%M:%S} UTC")
        devices = Names()
        for name in recording.devices:
            devices.code(name)
        decoder = _decoder(recorded, bundle, device_key, devices)
        records = decoder.recorded(recording.name, rest.samples, _rejects(rest))
        replayed.append(replay(Recorded(records, recording.name, devices, context), bundle, table, progress=scored))
    return replayed


def _decoder(recorded: RecordedInput, bundle: Bundle, device_key: str, devices: Names) -> Decoder:
    return Decoder(
        table=recorded.table,
        device_key=device_key,
        devices=devices,
        shards=Names(),
        plausible=bundle.config.plausible,
    )


def _rejects(recording: Recording) -> dict[int, Reject]:
    return {row: Reject(each.reason, each.raw) for row, each in recording.unusable.items()}
