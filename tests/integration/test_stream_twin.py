"""The twin of the stream calls behaves as the API's documents say, for a client that checks what it gets."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from proxy import Proxy

SAMPLES = 200


@pytest.fixture
def client(four_shards: Any) -> Any:
    """Finds the twin by the setting that a worker would have for the streams alone. Its old way of retrying compares
    checksums."""
    return boto3.client(
        "dynamodbstreams",
        endpoint_url=four_shards.account.environment["AWS_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"mode": "legacy"}, proxies={}),
    )


def shards(client: Any, arn: str, **more: Any) -> list[dict[str, Any]]:
    """As DescribeStream lists them, from all pages."""
    found: list[dict[str, Any]] = []
    while True:
        page = client.describe_stream(StreamArn=arn, **more)["StreamDescription"]
        found += page["Shards"]
        if not (last := page.get("LastEvaluatedShardId")):
            return found
        more["ExclusiveStartShardId"] = last


def pages(client: Any, arn: str, shard: str, kind: str = "TRIM_HORIZON", **more: Any) -> Iterator[list[dict[str, Any]]]:
    """Every page of a shard until it ends, or the first empty one."""
    asked = {"StreamArn": arn, "ShardId": shard, "ShardIteratorType": kind, **more}
    iterator = client.get_shard_iterator(**asked)["ShardIterator"]
    while iterator:
        page = client.get_records(ShardIterator=iterator, Limit=30)
        yield page["Records"]
        if not page["Records"]:
            return
        iterator = page.get("NextShardIterator")


def times(records: list[dict[str, Any]]) -> list[float]:
    """The ``ts`` of each record."""
    return [float(record["dynamodb"]["Keys"]["ts"]["N"]) for record in records]


def read(client: Any, arn: str, shard: str, **more: Any) -> list[dict[str, Any]]:
    """All records of a shard."""
    return [record for page in pages(client, arn, shard, **more) for record in page]


def test_the_records_of_a_table_are_scattered_over_four_shards(four_shards: Any, client: Any) -> None:
    """Each is in one shard, in the order of writing, and no shard has much more than its share."""
    four_shards.account.charge(1_000.0, SAMPLES)
    arn = client.list_streams(TableName="device4")["Streams"][0]["StreamArn"]
    found = [times(read(client, arn, shard["ShardId"])) for shard in shards(client, arn)]
    assert all(each == sorted(each) for each in found)
    assert sorted(ts for each in found for ts in each) == [1_000.0 + n for n in range(SAMPLES)]
    assert all(SAMPLES / 8 < len(each) < SAMPLES / 2 for each in found)


def test_a_shard_that_splits_ends_and_its_children_go_on(four_shards: Any, client: Any) -> None:
    """The last page of the parent has no next iterator; what is written later is in its two children, and numbered
    above it; the listing is read in pages and by parent."""
    account, stream = four_shards.account, four_shards.stream
    account.charge(1_000.0, SAMPLES)
    parent = stream.open[1]
    children = stream.split(parent)
    rolled = stream.roll(stream.open[0])
    account.charge(2_000.0, SAMPLES)
    listed = {shard["ShardId"]: shard for shard in shards(client, stream.arn, Limit=2)}
    assert len(listed) == 4 + 2 + 1
    assert {name for name, shard in listed.items() if shard.get("ParentShardId") == parent} == set(children)
    of_parent = {"Type": "CHILD_SHARDS", "ShardId": parent}
    assert {shard["ShardId"] for shard in shards(client, stream.arn, ShardFilter=of_parent)} == set(children)
    ended = [name for name, shard in listed.items() if "EndingSequenceNumber" in shard["SequenceNumberRange"]]
    assert parent in ended
    assert rolled not in ended
    assert max(times(read(client, stream.arn, parent))) < 2_000.0
    for child in children:
        records = read(client, stream.arn, child)
        assert min(times(records)) >= 2_000.0
        numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in records]
        assert numbers == sorted(numbers)
        assert numbers[0] > int(listed[parent]["SequenceNumberRange"]["EndingSequenceNumber"])
    assert sum(len(read(client, stream.arn, shard)) for shard in listed) == 2 * SAMPLES == stream.records


def test_iterators_of_every_kind(four_shards: Any, client: Any) -> None:
    """At and after a sequence number, at the tip; an old one expires, and what was trimmed says so."""
    account, stream = four_shards.account, four_shards.stream
    account.charge(1_000.0, SAMPLES)
    shard = stream.open[2]
    records = read(client, stream.arn, shard)
    number = records[7]["dynamodb"]["SequenceNumber"]
    at, after = ({"kind": kind, "SequenceNumber": number} for kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"))
    assert times(read(client, stream.arn, shard, **at)) == times(records[7:])
    assert times(read(client, stream.arn, shard, **after)) == times(records[8:])
    asked = {"StreamArn": stream.arn, "ShardId": shard, "ShardIteratorType": "LATEST"}
    tip = client.get_shard_iterator(**asked)["ShardIterator"]
    account.charge(2_000.0, SAMPLES)
    assert min(times(client.get_records(ShardIterator=tip)["Records"])) >= 2_000.0
    stream.expire()
    with pytest.raises(ClientError, match="ExpiredIteratorException"):
        client.get_records(ShardIterator=tip)
    assert stream.trim(shard) > 0
    with pytest.raises(ClientError, match="TrimmedDataAccessException"):
        read(client, stream.arn, shard, **after)
    assert read(client, stream.arn, shard) == []
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        read(client, stream.arn, stream.open[0][:-1] + "f")


def test_an_answer_has_the_headers_of_the_service(four_shards: Any, client: Any) -> None:
    """Date, request id and checksum; creation times are whole seconds."""
    four_shards.account.charge(1_000.0, SAMPLES)
    answer = client.describe_stream(StreamArn=four_shards.stream.arn)["ResponseMetadata"]
    assert answer["RequestId"]
    assert {"date", "x-amz-crc32", "x-amzn-requestid"} <= answer["HTTPHeaders"].keys()
    described = four_shards.stream.answer("DescribeStream", {"StreamArn": four_shards.stream.arn})
    assert described.headers["x-amz-crc32"] == str(zlib.crc32(described.body))
    records = read(client, four_shards.stream.arn, four_shards.stream.open[0])
    assert {record["dynamodb"]["ApproximateCreationDateTime"].microsecond for record in records} == {0}


def test_the_streams_alone_can_be_elsewhere(account: Any, four_shards: Any) -> None:
    """A worker needs one setting for it, which boto3 knows."""
    proxy: Proxy = four_shards.proxy
    ended = account.run("doctor", AWS_ENDPOINT_URL_DYNAMODB_STREAMS=proxy.url)
    assert ended.returncode in (0, 1), ended.stderr
    assert proxy.calls["DescribeStream"] > 0
    assert proxy.calls["DescribeTable"] == 0
