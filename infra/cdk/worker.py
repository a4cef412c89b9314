"""The worker as a service on Fargate: its image, its two roles, its log, and how many of it run."""

from __future__ import annotations

import re
from pathlib import Path

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecr_assets as assets
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.cdk import nag
from infra.cdk.config import Config
from infra.cdk.network import Network
from infra.cdk.policy import Statement

NOT_IN_THE_IMAGE = [
    ".*",
    "!.dockerignore",
    "**/__pycache__",
    "benchmarks",
    "cdk.out",
    "demo-out",
    "Makefile",
    "docs",
    "infra",
    "replay-out",
    "tests",
    "*.md",
    "!README.md",
]
"""Files that do not change the worker: a new text is no new deployment."""
PRIVATE_IMAGE = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.[^/]+/(?P<name>[^:@]+)[:@](?P<version>.+)"
)
RETENTION = {
    "7": logs.RetentionDays.ONE_WEEK,
    "14": logs.RetentionDays.TWO_WEEKS,
    "30": logs.RetentionDays.ONE_MONTH,
    "60": logs.RetentionDays.TWO_MONTHS,
    "90": logs.RetentionDays.THREE_MONTHS,
    "180": logs.RetentionDays.SIX_MONTHS,
    "365": logs.RetentionDays.ONE_YEAR,
}


class WorkerService(Construct):
    """One task that works, and with `standby` a second one that stands by.

    ``statements`` are all that the worker may do. ``environment`` are its settings; there is no secret among them. The
    CDK sets the first two parameters, so it has seven.
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        config: Config,
        *,
        root: Path,
        network: Network,
        statements: list[Statement],
        environment: dict[str, str],
    ) -> None:
        super().__init__(scope, name)
        self.log_group = logs.LogGroup(
            self, "Log", retention=RETENTION[config.log_retention_days], removal_policy=RemovalPolicy.DESTROY
        )
        self.cluster = ecs.Cluster(self, "Cluster", vpc=network.vpc)
        nag.accept(
            self.cluster,
            "AwsSolutions-ECS4",
            "The worker has metrics of its own, and ECS those of CPU and memory; Container Insights would cost more "
            "than the task's logs, metrics and alarms together.",
        )
        self.task_role = self._role("TaskRole", "What the worker may do")
        policy = iam.Policy(
            self.task_role,
            "Worker",
            statements=[iam.PolicyStatement.from_json(statement) for statement in statements],
            roles=[self.task_role],
        )
        _accept_patterns(policy, statements)
        self.execution_role = self._role("ExecutionRole", "What ECS may do to start the worker")
        nag.accept(
            self.execution_role,
            "AwsSolutions-IAM5[Resource::*]",
            "IAM knows no resource for ecr:GetAuthorizationToken. What is pulled is named in a statement of its own.",
        )
        task = self._task(config, root, environment)
        task.node.add_dependency(policy)  # a task without its rights would stop again
        self.service = ecs.FargateService(
            self,
            "Service",
            cluster=self.cluster,
            task_definition=task,
            desired_count=config.tasks,
            # A lane has one owner. A new task beside the only one would stand by until that one stops, so that one
            # stops first. Of two tasks one stays while the other is replaced.
            min_healthy_percent=50 if config.standby else 0,
            max_healthy_percent=100,
            circuit_breaker=ecs.DeploymentCircuitBreaker(enable=True, rollback=True),
            vpc_subnets=ec2.SubnetSelection(
                subnets=_subnets(network.vpc, public=config.vpc_id is not None or network.public)
            ),
            assign_public_ip=network.public,
            security_groups=[network.security_group],
            enable_execute_command=False,
            propagate_tags=ecs.PropagatedTagSource.SERVICE,
        )

    def _role(self, name: str, description: str) -> iam.Role:
        mine = {"StringEquals": {"aws:SourceAccount": Stack.of(self).account}}
        principal = iam.ServicePrincipal("ecs-tasks.amazonaws.com", conditions=mine)
        return iam.Role(self, name, assumed_by=principal, description=f"Battery Watch: {description}")

    def _task(self, config: Config, root: Path, environment: dict[str, str]) -> ecs.FargateTaskDefinition:
        arm = config.architecture == "arm64"
        task = ecs.FargateTaskDefinition(
            self,
            "Task",
            cpu=config.cpu,
            memory_limit_mib=config.memory_mib,
            task_role=self.task_role,
            execution_role=self.execution_role,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.ARM64 if arm else ecs.CpuArchitecture.X86_64,
                operating_system_family=ecs.OperatingSystemFamily.LINUX,
            ),
            volumes=[ecs.Volume(name="tmp")],
        )
        nag.accept(task, "AwsSolutions-ECS2", "These settings are names and numbers. The worker has no secret.")
        linux = ecs.LinuxParameters(self, "Linux")
        linux.drop_capabilities(ecs.Capability.ALL)
        container = task.add_container(
            "worker",
            image=self._image(config, root),
            environment=environment,
            logging=ecs.LogDriver.aws_logs(stream_prefix="worker", log_group=self.log_group),
            readonly_root_filesystem=True,
            # ECS ignores the image's own check. A task is replaced if its loop does not turn, or its reader hangs, for
            # five minutes: all that was committed is in the bucket. One that is unwell or stands by is not replaced.
            health_check=ecs.HealthCheck(
                command=["CMD", "battery-watch", "healthcheck"],
                interval=Duration.seconds(30),
                timeout=Duration.seconds(15),
                retries=10,
                start_period=Duration.seconds(120),
            ),
            # A stop takes up to `STOP_S` of consumer/worker/worker.py, 8 s.
            stop_timeout=Duration.seconds(30),
            linux_parameters=linux,
        )
        container.add_mount_points(ecs.MountPoint(container_path="/tmp", source_volume="tmp", read_only=False))
        return task

    def _image(self, config: Config, root: Path) -> ecs.ContainerImage:
        if config.image_uri is not None:
            found = PRIVATE_IMAGE.fullmatch(config.image_uri)
            if found is None:
                return ecs.ContainerImage.from_registry(config.image_uri)
            arn = Stack.of(self).format_arn(
                service="ecr",
                account=found["account"],
                region=found["region"],
                resource="repository",
                resource_name=found["name"],
            )
            repository = ecr.Repository.from_repository_attributes(
                self, "Repository", repository_arn=arn, repository_name=found["name"]
            )
            return ecs.ContainerImage.from_ecr_repository(repository, found["version"])
        arm = config.architecture == "arm64"
        return ecs.ContainerImage.from_asset(
            str(root),
            target="worker",
            platform=assets.Platform.LINUX_ARM64 if arm else assets.Platform.LINUX_AMD64,
            exclude=NOT_IN_THE_IMAGE,
        )


def _subnets(vpc: ec2.IVpc, *, public: bool) -> list[ec2.ISubnet]:
    return vpc.public_subnets if public else vpc.isolated_subnets


def _accept_patterns(policy: iam.Policy, statements: list[Statement]) -> None:
    reasons = {
        "Stream": "A stream that is turned off and on again has another name, within the one table.",
        "Streams": "IAM knows no resource for ListStreams.",
        "Read": "The keys of objects hold device and time; the prefixes are the worker's own.",
        "Write": "The keys of objects hold device and time; the prefixes are the worker's own.",
        "Bundles": "The files of bundles under the one prefix that MODEL_DIR names.",
    }
    for statement in statements:
        for resource in statement["Resource"]:
            if resource.endswith("*"):
                nag.accept_pattern(policy, resource, reasons[statement["Sid"]])
