"""What the log says once a minute, and CloudWatch makes metrics of."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from structlog.testing import capture_logs

from consumer.worker.metrics import EVERY_S, METRICS, Progress


@dataclass
class LaneTwin:
    """A lane that has counted this."""

    watermark: float
    counted: Counter[str] = field(default_factory=Counter)

    def tally(self) -> Counter[str]:
        tally, self.counted = self.counted, Counter()
        return tally


def test_a_line_a_minute_adds_the_lanes_up() -> None:
    """And the lag is that of the lane which is furthest behind."""
    lanes = [LaneTwin(990.0, Counter(read=5, scored=5)), LaneTwin(940.0, Counter(read=1, quarantined=1))]
    progress = Progress()
    with capture_logs() as logs:
        for now in (1000.0, 1000.0 + EVERY_S - 1, 1000.0 + EVERY_S):
            progress.say(now, lanes)
    assert [line["lag_s"] for line in logs] == [60.0, 120.0]
    assert logs[0] | {"read": 6, "scored": 5, "quarantined": 1} == logs[0]
    assert "read" not in logs[1]


def test_a_lane_that_reads_nothing_is_counted_and_does_not_lag() -> None:
    """The table's own, in a table keyed by device: it tells of a refused bundle."""
    with capture_logs() as logs:
        Progress().say(1000.0, [LaneTwin(990.0)], also=[LaneTwin(float("-inf"), Counter(bundle=1))])
    assert (logs[0]["lag_s"], logs[0]["bundle"]) == (10.0, 1)


def test_in_json_the_line_is_in_the_embedded_metric_format() -> None:
    """Every name it declares is there as a number, with its dimensions (source: CloudWatch's specification of it)."""
    progress = Progress(table="device4", namespace="default", embedded=True)
    with capture_logs() as logs:
        progress.say(1000.0, [LaneTwin(998.0, Counter(scored=3, clock_skew=1, late=7, late_run=1))])
    (line,) = logs
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert line["_aws"]["Timestamp"] == 1_000_000
    assert directive["Dimensions"] == [["table", "namespace"]]
    assert (line["table"], line["namespace"]) == ("device4", "default")
    names = [metric["Name"] for metric in directive["Metrics"]]
    assert all(isinstance(line[name], int | float) for name in names)
    assert sorted(names) == sorted(METRICS)
    assert len(names) == len(set(names)) <= 100
    assert (line["Late"], line["LateRun"]) == (7, 1)
    assert (line["Scored"], line["ClockSkew"], line["LagSeconds"], line["Heartbeat"], line["Lost"]) == (3, 1, 2.0, 1, 0)


def test_before_the_first_record_there_is_no_lag_to_report() -> None:
    """A number would be made up."""
    with capture_logs() as logs:
        Progress(embedded=True).say(1000.0, [LaneTwin(float("-inf"))])
    assert "LagSeconds" not in logs[0]
    assert all(metric["Name"] != "LagSeconds" for metric in logs[0]["_aws"]["CloudWatchMetrics"][0]["Metrics"])


def test_who_is_fenced_says_so_at_once() -> None:
    """It has no next minute."""
    progress = Progress(embedded=True)
    with capture_logs() as logs:
        progress.say(1000.0, [])
        progress.say(1001.0, [], fenced=True)
    assert [line["Fenced"] for line in logs] == [0, 1]
