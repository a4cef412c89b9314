"""What the log says once a minute, and CloudWatch makes metrics of."""

from __future__ import annotations

from collections import Counter

from structlog.testing import capture_logs

from consumer.worker.metrics import EVERY_S, METRICS, Metrics
from consumer.worker.status import Status


def status(at: float, lag_s: float | None = None, *, fenced: bool = False, **counts: int) -> Status:
    """How a worker is that has counted this since the last turn."""
    return Status(at, "watching", lag_s, fenced=fenced, counts=Counter(counts))


def test_a_line_a_minute_adds_the_turns_up() -> None:
    """And says how far the worker is behind at its end."""
    metrics = Metrics()
    with capture_logs() as logs:
        metrics.observe(status(1000.0, 60.0, read=6, scored=5, quarantined=1))
        metrics.observe(status(1000.0 + EVERY_S - 1, 10.0, read=2))
        metrics.observe(status(1000.0 + EVERY_S, 120.04, read=3))
    assert [line["lag_s"] for line in logs] == [60.0, 120.0]
    assert logs[0] | {"read": 6, "scored": 5, "quarantined": 1} == logs[0]
    assert logs[1]["read"] == 5
    assert "scored" not in logs[1]


def test_in_json_the_line_is_in_the_embedded_metric_format() -> None:
    """Every name it declares is there as a number, with its dimensions (source: CloudWatch's specification of it)."""
    metrics = Metrics(table="device4", namespace="default", embedded=True)
    with capture_logs() as logs:
        metrics.observe(status(1000.0, 2.0, scored=3, clock_skew=1, late=7, late_run=1))
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
        Metrics(embedded=True).observe(status(1000.0))
    assert "LagSeconds" not in logs[0]
    assert all(metric["Name"] != "LagSeconds" for metric in logs[0]["_aws"]["CloudWatchMetrics"][0]["Metrics"])


def test_a_worker_that_is_fenced_says_so_at_once() -> None:
    """It has no next minute."""
    metrics = Metrics(embedded=True)
    with capture_logs() as logs:
        metrics.observe(status(1000.0))
        metrics.observe(status(1001.0, fenced=True))
    assert [line["Fenced"] for line in logs] == [0, 1]
