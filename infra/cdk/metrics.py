"""The worker's metrics, by the names it gives them in its log (`consumer/worker/metrics.py`; a test compares)."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs

from infra.cdk.config import Config

NAMESPACE = "BatteryWatch"
MINUTE = Duration.minutes(1)


class WorkerMetrics:
    """The metrics of one deployment: the worker counts by table and namespace.

    ``errors``: lines of its log at level error. Makes a filter in ``log_group``, so there is one of these a log.
    """

    def __init__(self, config: Config, log_group: logs.LogGroup) -> None:
        self._dimensions = {"table": config.table_name, "namespace": config.namespace}
        self.errors = _errors(log_group, f"{NAMESPACE}/{config.table_name}/{config.namespace}")

    def total(self, name: str, period: Duration = MINUTE) -> cloudwatch.Metric:
        """How many in a period."""
        return self._metric(name, "Sum", period)

    def worst(self, name: str, period: Duration = MINUTE) -> cloudwatch.Metric:
        """The largest value in a period."""
        return self._metric(name, "Maximum", period)

    def _metric(self, name: str, statistic: str, period: Duration) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=name,
            dimensions_map=self._dimensions,
            statistic=statistic,
            period=period,
        )


def _errors(log_group: logs.LogGroup, namespace: str) -> cloudwatch.Metric:
    """Counts the errors where the log arrives: a worker that dies of an error has no next minute to count it in.

    These lines carry no dimensions, so the name space tells the deployments apart. A chart that was not drawn is no
    error: with many devices some are left out every 5 minutes.
    """
    errors = logs.FilterPattern.string_value("$.level", "=", "error")
    no_chart = logs.FilterPattern.string_value("$.event", "!=", "no chart")
    logs.MetricFilter(
        log_group,
        "Errors",
        log_group=log_group,
        filter_pattern=logs.FilterPattern.all(errors, no_chart),
        metric_namespace=namespace,
        metric_name="Errors",
        metric_value="1",
        default_value=0,
    )
    return cloudwatch.Metric(namespace=namespace, metric_name="Errors", statistic="Sum", period=MINUTE)
