"""A table and its stream on the emulator, over a socket, parsed as the worker parses it."""

from __future__ import annotations

from typing import Any

from botocore.config import Config

from consumer.aws import CALLS, session
from consumer.stream.client import DynamoDBStreams
from demo.emulator import Emulator
from demo.environment import REGION


class EmulatedTable:
    """A new table, keyed by time, with its stream turned on."""

    def __init__(self, emulator: Emulator, name: str) -> None:
        aws = session(REGION)
        self._name = name
        self._where: dict[str, Any] = {
            "endpoint_url": emulator.url,
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
            "config": CALLS.merge(Config(proxies={})),
        }
        self._dynamodb = aws.client("dynamodb", **self._where)
        made = self._dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "ts", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "ts", "AttributeType": "N"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        self.streams = DynamoDBStreams(
            aws.client("dynamodbstreams", **self._where), made["TableDescription"]["LatestStreamArn"]
        )

    def put(self, item: dict[str, Any]) -> None:
        """Write one item."""
        self._dynamodb.put_item(TableName=self._name, Item=item)
