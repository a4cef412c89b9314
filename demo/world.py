"""What exists in an account before the worker: table, bucket, topic, and a queue that is subscribed to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from consumer.aws import list_objects

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

TABLE = "device4"
BUCKET = "battery-watch-demo"
TOPIC = "battery-watch"
QUEUE = "battery-watch-events"
CHARTS = "battery-reports/"
ARCHIVE = "battery-events/"
LEDGER = "battery-ledger/"
BATCH = 25
"""Items in one BatchWriteItem, DynamoDB's limit."""

Item = dict[str, Any]
"""A table item in DynamoDB's own JSON, e.g. ``{"ts": {"N": "1700000000"}}``."""


@dataclass(frozen=True, slots=True)
class Clients:
    """One client a service; threads may share them."""

    dynamodb: DynamoDBClient
    s3: S3Client
    sns: SNSClient
    sqs: SQSClient


def clients(environment: Mapping[str, str]) -> Clients:
    """Clients for the endpoint and credentials in ``environment``, not in the process's own environment."""
    session = boto3.Session(
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_DEFAULT_REGION"],
    )
    config = Config(
        connect_timeout=5,
        read_timeout=15,
        retries={"total_max_attempts": 3, "mode": "standard"},
        signature_version="v4",
        proxies={},
        s3={"addressing_style": "path"},
    )
    url = environment["AWS_ENDPOINT_URL"]
    return Clients(
        dynamodb=session.client("dynamodb", endpoint_url=url, config=config),
        s3=session.client("s3", endpoint_url=url, config=config),
        sns=session.client("sns", endpoint_url=url, config=config),
        sqs=session.client("sqs", endpoint_url=url, config=config),
    )


@dataclass(frozen=True, slots=True)
class World:
    """The names of what was created, and the clients for it."""

    aws: Clients
    topic_arn: str
    queue_url: str

    @classmethod
    def create(cls, aws: Clients) -> World:
        """Create table (keyed by time, stream with both images), bucket, topic, and a queue subscribed to it."""
        aws.dynamodb.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "ts", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "ts", "AttributeType": "N"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        aws.s3.create_bucket(Bucket=BUCKET)
        topic_arn = aws.sns.create_topic(Name=TOPIC)["TopicArn"]
        queue_url = aws.sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
        queue_arn = aws.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        aws.sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": _policy(topic_arn, queue_arn)})
        aws.sns.subscribe(
            TopicArn=topic_arn,
            Protocol="sqs",
            Endpoint=queue_arn,
            Attributes={"RawMessageDelivery": "true"},
            ReturnSubscriptionArn=True,
        )
        return cls(aws, topic_arn, queue_url)

    def worker_settings(self) -> dict[str, str]:
        """The worker's settings beside its credentials."""
        return {
            "BATTERY_TABLE_NAME": TABLE,
            "RESULTS_BUCKET_NAME": BUCKET,
            "RESULTS_PREFIX": CHARTS.rstrip("/"),
            "TOPIC_ARN": self.topic_arn,
            "LOG_FORMAT": "json",
        }

    def put(self, item: Item) -> None:
        """Write one item."""
        self.aws.dynamodb.put_item(TableName=TABLE, Item=item)

    def put_batch(self, items: list[Item]) -> None:
        """Write up to `BATCH` items. Repeats those that the table does not take, at most ten times."""
        waiting = [{"PutRequest": {"Item": item}} for item in items]
        for _ in range(10):
            answer: Any = self.aws.dynamodb.batch_write_item(RequestItems={TABLE: waiting})  # type: ignore[dict-item]
            waiting = answer.get("UnprocessedItems", {}).get(TABLE, [])
            if not waiting:
                return
        raise RuntimeError(f"the table left {len(waiting)} of {len(items)} items unwritten")

    def keys(self, prefix: str) -> list[str]:
        """The keys under ``prefix``, sorted."""
        return sorted(found["Key"] for found in list_objects(self.aws.s3, BUCKET, prefix))

    def objects(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        """Key and bytes of every object under ``prefix``."""
        for key in self.keys(prefix):
            yield key, self.aws.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def link(self, key: str) -> str:
        """A presigned link to an object. It works for an hour, while the emulator runs."""
        return self.aws.s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": key}, ExpiresIn=3600)


def _policy(topic_arn: str, queue_arn: str) -> str:
    """The topic, and only it, may send to the queue."""
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "sns.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": queue_arn,
                    "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
                }
            ],
        }
    )
