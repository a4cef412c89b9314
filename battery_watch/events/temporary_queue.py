"""A temporary queue that gets what a topic publishes while a command runs."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.exceptions import ClientError

from consumer.aws import CALLS
from consumer.errors import AWS_ERRORS
from consumer.findings import advised
from reporting.sinks.archive import status

PREFIX = "battery-watch-tail-"
RETENTION_S = 300
POLL_S = 1
"""Seconds until a signal is handled. A message ends the wait at once."""


class TemporaryQueue:
    """An SQS queue, subscribed to one SNS topic. Call `remove` after `open`, also if `open` failed.

    Calls block for the client's time-outs and raise `ConfigurationError`. ``policy``: the subscription's filter policy
    on message attributes.
    """

    def __init__(self, aws: boto3.Session, topic_arn: str, policy: Mapping[str, Any]) -> None:
        self._sqs = aws.client("sqs", config=CALLS)
        self._sns = aws.client("sns", config=CALLS)
        self._region = aws.region_name
        self._topic_arn = topic_arn
        self._policy = policy
        self.name = PREFIX + secrets.token_hex(6)
        self._url = self._arn = self._subscription = ""
        # A call may succeed although its answer is lost, so these are true from before the call until AWS refuses it.
        self._queue_there = self._subscription_there = False

    def open(self) -> None:
        """Make the queue and subscribe it. From then on it gets messages."""
        rights = "the rights to sqs:CreateQueue, GetQueueAttributes and SetQueueAttributes"
        with advised(f"the temporary queue {self.name}", rights):
            self._queue_there = True
            try:
                self._url = self._sqs.create_queue(
                    QueueName=self.name, Attributes={"MessageRetentionPeriod": str(RETENTION_S)}
                )["QueueUrl"]
            except ClientError as error:
                self._queue_there = status(error) >= 500
                raise
            found = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
            self._arn = found["Attributes"]["QueueArn"]
            self._sqs.set_queue_attributes(
                QueueUrl=self._url, Attributes={"Policy": _only_from(self._topic_arn, self._arn)}
            )
        with advised(f"a subscription to {self._topic_arn}", "TOPIC_ARN and the right to sns:Subscribe"):
            attributes = {"RawMessageDelivery": "true"}
            if self._policy:
                attributes["FilterPolicy"] = json.dumps(self._policy)
            self._subscription_there = True
            try:
                self._subscription = self._sns.subscribe(
                    TopicArn=self._topic_arn,
                    Protocol="sqs",
                    Endpoint=self._arn,
                    Attributes=attributes,
                    ReturnSubscriptionArn=True,
                )["SubscriptionArn"]
            except ClientError as error:
                self._subscription_there = status(error) >= 500
                raise

    def receive(self) -> list[str]:
        """The bodies that arrived, at most 10; waits up to `POLL_S` for the first. They come in any order, and one may
        come twice."""
        with advised(f"the temporary queue {self.name}", "the rights to sqs:ReceiveMessage and DeleteMessage"):
            answer = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=POLL_S)
            received = answer.get("Messages", [])
            if received:
                self._sqs.delete_message_batch(
                    QueueUrl=self._url,
                    Entries=[{"Id": str(k), "ReceiptHandle": m["ReceiptHandle"]} for k, m in enumerate(received)],
                )
        return [message["Body"] for message in received]

    def remove(self) -> list[str]:
        """Remove subscription and queue, each even if the other cannot be removed. Returns a sentence for each that
        stays, with the command that removes it. Safe to call again."""
        left = []
        if self._subscription_there:
            try:
                self._unsubscribe()
                self._subscription_there = False
            except AWS_ERRORS as error:
                left.append(f"The subscription of {self.name} may still be there ({error}). {self._by_hand()}")
        if self._queue_there:
            try:
                self._delete()
                self._queue_there = False
            except AWS_ERRORS as error:
                url = (
                    self._url
                    or f"$(aws sqs get-queue-url --region {self._region} --queue-name {self.name} --output text)"
                )
                command = f"aws sqs delete-queue --region {self._region} --queue-url {url}"
                left.append(f"The queue {self.name} may still be there ({error}). To remove it: {command}")
        return left

    def _unsubscribe(self) -> None:
        if not self._subscription:
            pages = self._sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=self._topic_arn)
            ours = (each for page in pages for each in page["Subscriptions"] if each["Endpoint"] == self._arn)
            self._subscription = next((each["SubscriptionArn"] for each in ours), "")
        if self._subscription:
            self._sns.unsubscribe(SubscriptionArn=self._subscription)

    def _by_hand(self) -> str:
        if self._subscription:
            command = f"aws sns unsubscribe --region {self._region} --subscription-arn {self._subscription}"
            return f"To remove it: {command}"
        command = f"aws sns list-subscriptions-by-topic --region {self._region} --topic-arn {self._topic_arn}"
        return f"To find its ARN for `aws sns unsubscribe`: {command}"

    def _delete(self) -> None:
        try:
            url = self._url or self._sqs.get_queue_url(QueueName=self.name)["QueueUrl"]
            self._sqs.delete_queue(QueueUrl=url)
        except ClientError as error:
            if not error.response.get("Error", {}).get("Code", "").endswith(("NonExistentQueue", "QueueDoesNotExist")):
                raise


def _only_from(topic_arn: str, queue_arn: str) -> str:
    """A policy that lets this topic alone send to the queue."""
    allowed = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
