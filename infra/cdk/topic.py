"""Topics and their subscribers: e-mails and queues, each with a dead-letter queue."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from aws_cdk import ArnFormat, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.cdk import nag


class TopicKey(Construct):
    """The key that encrypts the topics. It belongs to the account because CloudWatch alarms may not use the key that
    AWS keeps for SNS."""

    def __init__(self, scope: Construct, name: str) -> None:
        super().__init__(scope, name)
        self.key = kms.Key(
            self,
            "Key",
            description="Battery Watch: messages in its topics",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.DESTROY,  # after 30 days; nothing that is stored is encrypted with it
        )
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AlarmsPublish",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                resources=["*"],
            )
        )


class TopicWithSubscribers(Construct):
    """An encrypted topic that requires TLS. ``dead``: the dead-letter queues."""

    def __init__(self, scope: Construct, name: str, key: kms.IKey) -> None:
        super().__init__(scope, name)
        self.topic = sns.Topic(self, "Topic", master_key=key, enforce_ssl=True)
        self.dead: list[sqs.Queue] = []
        self.queues: list[sqs.Queue] = []

    def mail(self, address: str, severities: Sequence[str] = ()) -> None:
        """Subscribe an address, which must confirm. ``severities``: only messages of these, with the ends of notices
        that began with one of them; empty: all."""
        short = hashlib.sha256(address.encode()).hexdigest()[:8]  # does not depend on the other addresses
        subscription = self.topic.add_subscription(
            subscriptions.EmailSubscription(address, dead_letter_queue=self._dead_letters(f"Mail{short}"))
        )
        if severities:
            made = subscription.node.default_child
            assert isinstance(made, sns.CfnSubscription)
            # Either, which the CDK's own filters cannot say: this stack is deployed before its worker, and a worker of
            # version 0.1.0, also one that somebody goes back to, sends no filterseverity.
            made.filter_policy = {"$or": [{name: [*severities]} for name in ("filterseverity", "severity")]}

    def queue(self, name: str) -> None:
        """Make a queue that gets every message, and keeps it for two weeks."""
        title = name[0].upper() + name[1:]
        queue = sqs.Queue(
            self,
            f"{title}Queue",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),
            visibility_timeout=Duration.seconds(60),
            dead_letter_queue=sqs.DeadLetterQueue(queue=self._dead_letters(f"{title}Unread"), max_receive_count=5),
        )
        self.topic.add_subscription(
            subscriptions.SqsSubscription(queue, dead_letter_queue=self._dead_letters(f"{title}Undelivered"))
        )
        self.queues.append(queue)

    def take_alarms(self) -> None:
        """Let CloudWatch alarms of this account publish. A topic with a policy of its own does not allow that by
        itself."""
        stack = Stack.of(self)
        alarms = stack.format_arn(
            service="cloudwatch", resource="alarm", resource_name="*", arn_format=ArnFormat.COLON_RESOURCE_NAME
        )
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AlarmsPublish",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": stack.account}, "ArnLike": {"aws:SourceArn": alarms}},
            )
        )

    def _dead_letters(self, name: str) -> sqs.Queue:
        queue = sqs.Queue(
            self,
            f"{name}DeadLetters",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )
        nag.accept(queue, "AwsSolutions-SQS3", "This is a dead-letter queue itself.")
        self.dead.append(queue)
        return queue
