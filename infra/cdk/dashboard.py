"""A dashboard: does the worker watch, how far behind is it, and what did it find?"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from infra.cdk.metrics import WorkerMetrics
from reporting.contract.health_kinds import HEALTH_COUNTERS, metric_name


class Dashboard(Construct):
    """The page. ``dashboard`` holds its name."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        metrics: WorkerMetrics,
        service: ecs.FargateService,
        alarms: Sequence[cloudwatch.IAlarm],
    ) -> None:
        super().__init__(scope, name)
        cpu, memory = service.metric_cpu_utilization(), service.metric_memory_utilization()
        five, health = Duration.minutes(5), HEALTH_COUNTERS.values()
        self.dashboard = cloudwatch.Dashboard(self, "Page", default_interval=Duration.hours(6))
        self.dashboard.add_widgets(cloudwatch.AlarmStatusWidget(title="Alarms", alarms=[*alarms], width=24, height=3))
        self.dashboard.add_widgets(
            _graph("Seconds behind", [metrics.worst("LagSeconds")]),
            _graph(
                "Signs of life",
                [*(metrics.total(each, five) for each in ("Heartbeat", "Fenced")), metrics.worst("Unwell", five)],
            ),
            _graph("Messages", [metrics.total(each) for each in ("Messages", "Muted", "Undelivered")]),
        )
        self.dashboard.add_widgets(
            _graph("Records", [metrics.total("Read"), metrics.total("Scored")]),
            _graph(
                "Records not scored",
                [metrics.total(each) for each in ("Duplicate", "Late", "Quarantined", "Ignored")],
            ),
            _graph("Read from the table, passed by", [metrics.total("Backfilled"), metrics.total("Forced")]),
        )
        self.dashboard.add_widgets(
            _graph("Told of the watching itself", [metrics.total(metric_name(each), five) for each in health]),
            _graph("Errors in the log", [metrics.errors]),
            _graph("CPU and memory, %", [cpu, memory]),
        )


def _graph(title: str, metrics: list[cloudwatch.IMetric]) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(
        title=title, left=metrics, left_y_axis=cloudwatch.YAxisProps(min=0), width=8, height=6
    )
