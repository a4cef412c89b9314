"""Late records: samples that came too late to be scored. One notice says it of a whole run of them."""

from __future__ import annotations

from math import inf

from reporting.contract.events import utc
from reporting.health.device import Device, Record
from reporting.health.notice import Notice
from reporting.health.state import DeviceHealth, Run
from reporting.names import flat
from window.samples import Kind

LATE_QUIET_S = 60.0
"""A run of late records is over once none has come for so long, by stamps."""


def deadline(state: DeviceHealth) -> float:
    """The stamp at which the run is over; infinite where there is none."""
    return state.late_stamp + LATE_QUIET_S if state.late else inf


def follow(device: Device, record: Record, kind: Kind) -> None:
    """A late record joins the run; a sample that is on time ends it."""
    run = device.state.late
    if kind is Kind.LATE:
        if run is None:
            run = Run(record.ts, record.ts, 0.0, 1)
        else:
            run = Run(min(run.since, record.ts), max(run.until, record.ts), 0.0, run.count + 1)
        device.update(late=run, late_stamp=record.at)
    elif kind is Kind.SAMPLE and record.at > device.state.late_stamp:
        # Not within the second of the last late record: then two different runs could have notices with the same times.
        _report(device, record.row, record.at)


def expire(device: Device, at: float) -> None:
    """The watermark has reached ``at``: report the run, if it is over."""
    if deadline(device.state) <= at:
        _report(device, 0, at)


def _report(device: Device, row: int, at: float) -> None:
    run = device.state.late
    if run is None:
        return
    samples = "1 sample" if run.count == 1 else f"{run.count} samples"
    said = f"{samples} of {flat(device.name)} came too late and were not scored."
    command = f"battery-watch replay --table {device.table} --since {utc(run.since):%Y-%m-%dT%H:%M:%SZ}"
    notice = Notice(
        "health.late",
        device.name,
        at,
        "opened",
        said,
        since=run.since,
        until=run.until,
        count=run.count,
        command=command,
    )
    device.add(row, notice)
    device.update(late=None, late_stamp=0.0)
