from __future__ import annotations

from dataclasses import replace

import numpy as np

from demo.archive import Anomaly
from demo.charger import Charger
from demo.outage import planned
from demo.picture import AROUND_S, recovery
from demo.score import RunRecord, summarise
from demo.script import UPLOAD_S, write
from reporting.charts.data import TEMPERATURE
from reporting.charts.figure import render

EPOCH_S, ZERO_S = 1_700_000_000, 5_000.0
SCRIPT = write(1, 75)
CHARGER = Charger(1, SCRIPT)
PLAN = planned(SCRIPT)
OUTAGE = replace(PLAN, killed_s=ZERO_S + PLAN.at_s + 0.2, started_s=0.0, owned_s=0.0, back_s=ZERO_S + PLAN.at_s + 14.2)
ANOMALY = Anomaly("device4", EPOCH_S + PLAN.at_s, "high", "bw-test", ("heating",))
EVIDENCE = RunRecord(
    SCRIPT, EPOCH_S, UPLOAD_S + 80, [], {"scored": UPLOAD_S + 80}, [ANOMALY], 1, {}, zero_s=ZERO_S, outage=OUTAGE
)


def test_the_picture_shows_the_samples_as_written_and_the_outage_where_it_was() -> None:
    """A minute before the kill, what there is after it; marks on the samples' own clock; each anomaly at its sample."""
    chart = recovery(EVIDENCE, summarise(EVIDENCE), OUTAGE, CHARGER)
    assert chart.ts[0] == EPOCH_S + PLAN.at_s - AROUND_S
    assert chart.ts[-1] == EPOCH_S + 79
    assert np.array_equal(chart.ts[chart.severity > 0], [ANOMALY.ts])
    assert chart.severity.max() == 3
    assert chart.blamed.max() == TEMPERATURE
    assert [round(ts - EPOCH_S - PLAN.at_s, 1) for ts, _ in chart.marks] == [0.2, 14.2]
    assert [label for _, label in chart.marks] == ["worker killed (SIGKILL)", "back after 14.0 s"]
    assert chart.current_a[AROUND_S] == CHARGER.measure(PLAN.at_s).current_a
    assert chart.note == "ledger: 1,280 written, 1,280 scored, 0 lost"
    assert render(chart).startswith(b"\x89PNG")


def test_a_worker_that_never_came_back_leaves_the_rest_of_the_picture_unwatched() -> None:
    """Also when no anomaly was found at all."""
    dead = replace(OUTAGE, owned_s=None, back_s=None, failed=True)
    chart = recovery(replace(EVIDENCE, anomalies=[]), summarise(EVIDENCE), dead, CHARGER)
    assert len(chart.marks) == 1
    ((_, until),) = chart.blind
    assert until == EPOCH_S + 80
    assert render(chart).startswith(b"\x89PNG")
