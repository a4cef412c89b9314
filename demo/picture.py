"""A picture of the kill: the charge, its faults, the anomalous samples, and the time in which nobody watched."""

from __future__ import annotations

import numpy as np

from demo.charger import Charger
from demo.outage import Outage
from demo.score import RunRecord, Summary
from demo.script import UPLOAD_S
from reporting.charts.data import SEVERITIES, ChartData, blame
from scoring.faults import FaultKind

AROUND_S = 60
"""Seconds to show before and after the outage, if there are so many."""


def recovery(record: RunRecord, summary: Summary, outage: Outage, charger: Charger) -> ChartData:
    """The chart around an outage. It has no scores of normal samples, as the archive does not hold them."""
    epoch_s = record.epoch_s
    killed_s = (outage.killed_s or 0.0) - record.zero_s
    back_s = outage.back_s - record.zero_s if outage.back_s is not None else float(record.written - UPLOAD_S)
    shown = range(max(-UPLOAD_S, int(killed_s) - AROUND_S), min(record.written - UPLOAD_S, int(back_s) + AROUND_S))
    measured = [charger.measure(offset_s) for offset_s in shown]
    severity = np.zeros(len(shown), np.int8)
    kinds: list[tuple[FaultKind, ...]] = [()] * len(shown)
    model = "unknown"
    for anomaly in record.anomalies:
        row = int(anomaly.ts) - epoch_s - shown.start
        if 0 <= row < len(shown):
            severity[row] = SEVERITIES.index(anomaly.severity)
            kinds[row] = tuple(map(FaultKind, anomaly.kinds))
            model = anomaly.model
    marks = [(epoch_s + killed_s, "worker killed (SIGKILL)")]
    if outage.recovery_s is not None:
        marks.append((epoch_s + back_s, f"back after {outage.recovery_s:.1f} s"))
    unknown = np.full(len(shown), np.nan)
    return ChartData(
        device=f"{record.anomalies[0].device if record.anomalies else 'demo'}, across a kill",
        ts=np.array([epoch_s + offset_s for offset_s in shown], float),
        current_a=np.array([each.current_a for each in measured]),
        temperature_c=np.array([each.temperature_c for each in measured]),
        reconstructed_current_a=unknown,
        reconstructed_temperature_c=unknown,
        reconstruction_error=unknown,
        forest_score=unknown,
        severity=severity,
        stages=np.zeros(len(shown), np.int8),
        blamed=blame(kinds),
        error_limit=np.nan,
        forest_limit=np.nan,
        model=model,
        marks=tuple(marks),
        spans=tuple(
            (epoch_s + fault.start_s - 0.5, epoch_s + fault.end_s - 0.5, str(fault.kind))
            for fault in charger.script.faults
        ),
        blind=((epoch_s + killed_s, epoch_s + back_s),),
        note=f"ledger: {summary.written:,} written, {summary.scored:,} scored, {summary.lost} lost",
        scores=False,
    )
