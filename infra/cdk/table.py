"""The watched table: an existing one or a new one."""

from __future__ import annotations

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from infra.cdk.config import Config


class WatchedTable(Construct):
    """Name and ARNs of the table. A new one is keyed by device and time, so it can hold any number of devices."""

    def __init__(self, scope: Construct, name: str, config: Config) -> None:
        super().__init__(scope, name)
        self.table_name = config.table_name
        # Made from its name, also for a new table: so CloudFormation does not tie the two stacks together.
        self.table_arn = Stack.of(self).format_arn(
            service="dynamodb", resource="table", resource_name=config.table_name
        )
        if config.create_table:
            dynamodb.Table(
                self,
                "Table",
                table_name=config.table_name,
                partition_key=dynamodb.Attribute(name=config.device_key_name, type=dynamodb.AttributeType.STRING),
                sort_key=dynamodb.Attribute(name="ts", type=dynamodb.AttributeType.NUMBER),
                billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
                stream=dynamodb.StreamViewType.NEW_IMAGE,
                point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                    point_in_time_recovery_enabled=True
                ),
                deletion_protection=True,
                removal_policy=RemovalPolicy.RETAIN,
            )
        # A stream that is turned off and on again is a new stream. The worker reads it from its next start on.
        self.stream_arns = config.table_stream_arn or f"{self.table_arn}/stream/*"
