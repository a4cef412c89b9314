"""Two stacks: the data, which must outlive everything else, and the service, which can be recreated at any time."""

from __future__ import annotations

from pathlib import Path

from aws_cdk import App, CfnOutput, Stack, Tags
from constructs import Construct

from infra.cdk import nag
from infra.cdk.alarms import DeadLetterAlarms, WorkerAlarms
from infra.cdk.config import Config
from infra.cdk.dashboard import Dashboard
from infra.cdk.metrics import WorkerMetrics
from infra.cdk.network import Network
from infra.cdk.policy import Names, task_statements
from infra.cdk.storage import CHARTS, Results
from infra.cdk.table import WatchedTable
from infra.cdk.topic import TopicKey, TopicWithSubscribers
from infra.cdk.worker import WorkerService


class DataStack(Stack):
    """Bucket, topics with their subscribers, and perhaps the table."""

    def __init__(self, scope: Construct, name: str, config: Config) -> None:
        super().__init__(scope, name, description="Battery Watch: bucket, topics")
        self.table = WatchedTable(self, "Table", config)
        self.bucket = Results(self, "Results", config).bucket
        self.key = TopicKey(self, "TopicKey").key
        self.events = TopicWithSubscribers(self, "Events", self.key)
        for address in config.emails:
            self.events.mail(address, config.email_severities)
        for title in config.queues:
            self.events.queue(title)
        self.alarms = TopicWithSubscribers(self, "AlarmTopic", self.key)
        self.alarms.take_alarms()
        for address in config.alarm_emails:
            self.alarms.mail(address)
        DeadLetterAlarms(self, "EventDeadLetters", self.alarms.topic, self.events.dead)
        DeadLetterAlarms(self, "AlarmDeadLetters", self.alarms.topic, self.alarms.dead)
        CfnOutput(self, "Bucket", value=self.bucket.bucket_name, description="RESULTS_BUCKET_NAME")
        CfnOutput(self, "EventTopic", value=self.events.topic.topic_arn, description="TOPIC_ARN; subscribe here")
        CfnOutput(self, "AlarmTopicArn", value=self.alarms.topic.topic_arn, description="Alarms about the worker")
        for title, queue in zip(config.queues, self.events.queues, strict=True):
            CfnOutput(self, f"Queue{title.replace('-', '')}", value=queue.queue_url, description=f"Queue {title}")


class ServiceStack(Stack):
    """The worker, its network, alarms and dashboard. ``root``: the folder of the Dockerfile."""

    def __init__(self, scope: Construct, name: str, config: Config, *, data: DataStack, root: Path) -> None:
        super().__init__(scope, name, description="Battery Watch: the worker")
        network = Network(self, "Network", config)
        bucket_arn = data.export_value(data.bucket.bucket_arn) or ""
        self.names = Names(
            table=data.table.table_arn,
            streams=data.table.stream_arns,
            bucket=bucket_arn,
            topic=data.events.topic.topic_arn,
            namespace=config.namespace,
            charts=CHARTS,
            key=data.key.key_arn,
            bundles=self._bundles(config.model_dir),
        )
        worker = WorkerService(
            self,
            "Worker",
            config,
            root=root,
            network=network,
            statements=task_statements(self.names),
            environment=self._settings(config, data) | network.environment,
        )
        metrics = WorkerMetrics(config, worker.log_group)
        alarms = WorkerAlarms(self, "Alarms", data.alarms.topic, config, metrics=metrics, service=worker.service)
        page = Dashboard(
            self,
            "Dashboard",
            metrics=metrics,
            service=worker.service,
            alarms=alarms.all,
        )
        log, cluster = worker.log_group.log_group_name, worker.cluster.cluster_name
        CfnOutput(self, "Log", value=f"aws logs tail {log} --since 1h --follow", description="Read the worker's log")
        CfnOutput(
            self,
            "State",
            value=f"aws ecs describe-services --cluster {cluster} --services {worker.service.service_name}",
            description="Does it run? The events say why not",
        )
        CfnOutput(
            self,
            "Restart",
            value=f"aws ecs update-service --cluster {cluster} --service {worker.service.service_name} "
            "--force-new-deployment",
            description="Start the worker again",
        )
        CfnOutput(self, "DashboardName", value=page.dashboard.dashboard_name, description="CloudWatch, Dashboards")
        CfnOutput(
            self,
            "Environment",
            value=f"export AWS_DEFAULT_REGION={self.region} BATTERY_TABLE_NAME={config.table_name} "
            f"RESULTS_BUCKET_NAME={data.bucket.bucket_name} TOPIC_ARN={data.events.topic.topic_arn} "
            f"NAMESPACE={config.namespace} DEVICE_KEY_NAME={config.device_key_name} PUBLISH={config.publish}"
            + (f" MODEL_DIR={config.model_dir}" if config.model_dir else ""),
            description="For battery-watch doctor, ledger, explain and mute on your own machine",
        )

    def _settings(self, config: Config, data: DataStack) -> dict[str, str]:
        """The worker's environment. JSON logs carry its metrics."""
        settings = {
            "AWS_DEFAULT_REGION": self.region,
            "BATTERY_TABLE_NAME": config.table_name,
            "DEVICE_KEY_NAME": config.device_key_name,
            "RESULTS_BUCKET_NAME": data.bucket.bucket_name,
            "RESULTS_PREFIX": CHARTS,
            "TOPIC_ARN": data.events.topic.topic_arn,
            "NAMESPACE": config.namespace,
            "START": config.start,
            "PUBLISH": config.publish,
            "LOG_FORMAT": "json",
            "LOG_LEVEL": config.log_level,
        }
        return settings if config.model_dir is None else settings | {"MODEL_DIR": config.model_dir}

    def _bundles(self, place: str | None) -> tuple[str, str] | None:
        if place is None:
            return None
        bucket, _, prefix = place.removeprefix("s3://").partition("/")
        return self.format_arn(service="s3", region="", account="", resource=bucket), prefix.strip("/")


def build(app: App, config: Config, *, root: Path) -> tuple[DataStack, ServiceStack]:
    """Both stacks in an app, checked by cdk-nag when it is synthesised."""
    name = "BatteryWatch" if config.namespace == "default" else f"BatteryWatch-{config.namespace}"
    data = DataStack(app, f"{name}-Data", config)
    service = ServiceStack(app, f"{name}-Service", config, data=data, root=root)
    Tags.of(app).add("application", "battery-watch")
    nag.check(app)
    return data, service
