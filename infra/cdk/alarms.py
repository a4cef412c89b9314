"""Alarms about the worker itself, each with the first thing to do. docs/operate.md says more under the same names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.cdk.config import Config
from infra.cdk.metrics import WorkerMetrics

SILENT_MINUTES = 5
MEMORY_PERCENT = 85


@dataclass(frozen=True, slots=True)
class When:
    """An alarm begins when its metric is above ``limit`` for ``minutes`` periods in a row; with ``below`` when it is
    under it, or missing."""

    limit: float = 0
    minutes: int = 1
    below: bool = False


ONCE = When()


class AlarmSet(Construct):
    """Alarms that publish to ``topic`` when they begin and when they end."""

    def __init__(self, scope: Construct, name: str, topic: sns.ITopic) -> None:
        super().__init__(scope, name)
        self._action = actions.SnsAction(topic)
        self.all: list[cloudwatch.Alarm] = []

    def _add(
        self,
        name: str,
        metric: cloudwatch.IMetric,
        description: str,
        when: When = ONCE,
        *,
        page: str = "",
    ) -> None:
        operators = cloudwatch.ComparisonOperator
        missing = cloudwatch.TreatMissingData
        alarm = cloudwatch.Alarm(
            self,
            name,
            metric=metric,
            alarm_description=f"{description} docs/operate.md, {page or name}.",
            threshold=when.limit,
            comparison_operator=operators.LESS_THAN_THRESHOLD if when.below else operators.GREATER_THAN_THRESHOLD,
            evaluation_periods=when.minutes,
            datapoints_to_alarm=when.minutes,
            treat_missing_data=missing.BREACHING if when.below else missing.NOT_BREACHING,
        )
        alarm.add_alarm_action(self._action)
        alarm.add_ok_action(self._action)
        self.all.append(alarm)


class DeadLetterAlarms(AlarmSet):
    """One alarm for each dead-letter queue. They are in the stack of the queues: if another stack named a subscriber's
    queue, the subscriber could not be removed."""

    def __init__(self, scope: Construct, name: str, topic: sns.ITopic, queues: Sequence[sqs.Queue]) -> None:
        super().__init__(scope, name, topic)
        for queue in queues:
            self._add(
                queue.node.id,
                queue.metric_approximate_number_of_messages_visible(statistic="Maximum", period=Duration.minutes(5)),
                "Messages could not be delivered, or a reader of a queue failed at them five times.",
                page="DeadLetters",
            )


class WorkerAlarms(AlarmSet):
    """All alarms about the worker."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        topic: sns.ITopic,
        config: Config,
        *,
        metrics: WorkerMetrics,
        service: ecs.FargateService,
    ) -> None:
        super().__init__(scope, name, topic)
        lag = config.lag_alarm_s
        # A worker logs this every 60 s and a little, so some minutes have none. A deployment takes two or three
        # minutes.
        self._add(
            "Silent",
            metrics.total("Heartbeat"),
            f"No worker has given a sign of life for {SILENT_MINUTES} minutes: nobody watches. Look at the service's "
            "events and the last lines of the log.",
            When(limit=1, minutes=SILENT_MINUTES, below=True),
        )
        self._add(
            "Lag",
            metrics.worst("LagSeconds"),
            f"The worker has been more than {lag} s behind for 5 minutes. battery-watch doctor says whether stream, "
            "bucket and topic answer.",
            When(limit=lag, minutes=5),
        )
        self._add(
            "Unwell",
            metrics.worst("Unwell"),
            "A sink or a shard has been down for half a minute or more. The worker lives and waits; the log says what "
            "for.",
        )
        self._add("Lagging", metrics.total("Lagging"), "A shard cannot be read, and the others wait for it.")
        self._add("Gap", metrics.total("Gap"), "Records are missing in the stream; the event says which time.")
        self._add("Errors", metrics.errors, "The log has lines at level error. They say what and why.")
        self._add(
            "Quarantined",
            metrics.total("Quarantined"),
            "Records are no samples and were set aside; battery-quarantine/ holds them with the reason.",
        )
        self._add(
            "Undelivered",
            metrics.total("Undelivered"),
            "The topic refused messages and got a short text instead; battery-undelivered/ holds them with the reason.",
        )
        self._add(
            "Fenced",
            metrics.total("Fenced"),
            "A worker was replaced by another. Once is a take-over; again and again are two workers for one table.",
        )
        self._add(
            "Forced", metrics.total("Forced"), "A shard was passed by: archive and messages may have been amended."
        )
        self._add(
            "Bundle", metrics.total("Bundle"), "A new bundle was refused, and the old one goes on. The event says why."
        )
        self._add(
            "Memory",
            service.metric_memory_utilization(statistic="Maximum", period=Duration.minutes(1)),
            f"The task uses more than {MEMORY_PERCENT} % of its memory: raise memoryMib before it is killed.",
            When(limit=MEMORY_PERCENT, minutes=5),
        )
