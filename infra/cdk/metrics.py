"""The worker's metrics, by the names it gives them in its log (`consumer/worker/metrics.py`; a test compares)."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs

from infra.cdk.config import Config

NAMESPACE = "BatteryWatch"
MINUTE = Duration.minutes(1)


class WorkerMetrics:
    """Finds metrics of one deployment: the worker counts by table and namespace."""

    def __init__(self, config: Config) -> None:
        self._dimensions = {"table": config.table_name, "namespace": config.namespace}
        self._of_log = f"{NAMESPACE}/{config.table_name}/{config.namespace}"

    def total(self, name: str, period: Duration = MINUTE) -> cloudwatch.Metric:
        """How many in a period."""
        return self._metric(name, "Sum", period)

    def worst(self, name: str, period: Duration = MINUTE) -> cloudwatch.Metric:
        """The largest value in a period."""
        return self._metric(name, "Maximum", period)

    def errors(self, log_group: logs.LogGroup) -> cloudwatch.Metric:
        """Lines of the log at level error. A worker that dies of an error has no next minute in which to count it, so
        they are counted where the log arrives; their lines carry no dimensions, so the name space tells them apart.
        A chart that was not drawn is none: of many devices some are left out every 5 minutes."""
        errors = logs.FilterPattern.string_value("$.level", "=", "error")
        no_chart = logs.FilterPattern.string_value("$.event", "!=", "no chart")
        logs.MetricFilter(
            log_group,
            "Errors",
            log_group=log_group,
            filter_pattern=logs.FilterPattern.all(errors, no_chart),
            metric_namespace=self._of_log,
            metric_name="Errors",
            metric_value="1",
            default_value=0,
        )
        return cloudwatch.Metric(namespace=self._of_log, metric_name="Errors", statistic="Sum", period=MINUTE)

    def _metric(self, name: str, statistic: str, period: Duration) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=name,
            dimensions_map=self._dimensions,
            statistic=statistic,
            period=period,
        )
