"""Clients with time-outs, and GetRecords parsed fast: real clients whose requests are answered before they are sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError

from consumer.aws import CALLS, CONNECT_TIMEOUT_S, ONE_TRY, READ_TIMEOUT_S, session
from consumer.errors import ConfigurationError


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that open nothing, and no profile of the machine's."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)


class Raw:
    """A body on the wire."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def stream(self) -> Any:
        yield self.body


def answering(client: Any, status: int, body: bytes) -> list[Any]:
    """The client's requests are kept here and answered with this."""
    requests: list[Any] = []

    def answer(request: Any, **_: Any) -> AWSResponse:
        requests.append(request)
        return AWSResponse(request.url, status, {"content-type": "application/x-amz-json-1.0"}, Raw(body))

    client.meta.events.register("before-send", answer)
    return requests


RECORD = {
    "eventID": "e",
    "eventName": "INSERT",
    "dynamodb": {
        "ApproximateCreationDateTime": 1784989507.0,
        "NewImage": {"ts": {"N": "1784989507"}, "current": {"N": "2.5"}},
        "SequenceNumber": "4200",
        "SizeBytes": 60,
        "StreamViewType": "NEW_IMAGE",
    },
}


@pytest.fixture
def streams() -> Any:
    """A real client of the streams, which tries once."""
    return session("eu-central-1").client("dynamodbstreams", config=CALLS.merge(ONE_TRY))


def test_records_come_as_the_json_they_are(streams: Any) -> None:
    """No attribute is touched; times stay seconds."""
    answering(streams, 200, json.dumps({"Records": [RECORD], "NextShardIterator": "next"}).encode())
    answer = streams.get_records(ShardIterator="it", Limit=1)
    assert answer["Records"] == [RECORD]
    assert answer["NextShardIterator"] == "next"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_last_page_has_no_iterator(streams: Any) -> None:
    """Null or absent."""
    answering(streams, 200, b'{"Records": []}')
    assert streams.get_records(ShardIterator="it").get("NextShardIterator") is None


def test_other_calls_are_parsed_by_botocore(streams: Any) -> None:
    """With its own types."""
    described = {"StreamDescription": {"StreamArn": "a", "CreationRequestDateTime": 1784989507, "Shards": []}}
    answering(streams, 200, json.dumps(described).encode())
    found = streams.describe_stream(StreamArn="a" * 40)["StreamDescription"]
    assert found["CreationRequestDateTime"].year == 2026


def test_a_refusal_of_get_records_is_a_client_error(streams: Any) -> None:
    """With its code, as for any other call."""
    body = json.dumps({"__type": "com.amazonaws.dynamodb#ExpiredIteratorException", "message": "old"}).encode()
    answering(streams, 400, body)
    with pytest.raises(ClientError) as refused:
        streams.get_records(ShardIterator="it")
    assert refused.value.response["Error"]["Code"] == "ExpiredIteratorException"


def test_an_own_endpoint_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the emulator, and for VPC endpoints."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4567")
    client = session("eu-central-1").client("dynamodbstreams", config=ONE_TRY)
    requests = answering(client, 200, b"{}")
    client.get_records(ShardIterator="it")
    assert requests[0].url.startswith("http://127.0.0.1:4567")


def test_every_call_has_time_outs_and_the_fenced_write_one_try() -> None:
    """A retry of the SDK's would meet its own first attempt and look like a foreign writer."""
    calls: Any = CALLS
    fenced: Any = ONE_TRY
    for config in (calls, fenced):
        assert (config.connect_timeout, config.read_timeout) == (CONNECT_TIMEOUT_S, READ_TIMEOUT_S)
    assert fenced.retries["total_max_attempts"] == 1
    assert 1 < calls.retries["total_max_attempts"] <= 5


def test_one_try_is_one_try() -> None:
    """Also where S3 says that it is busy."""
    client = session("eu-central-1").client("s3", config=ONE_TRY)
    requests = answering(client, 503, b"")
    with pytest.raises(ClientError):
        client.head_bucket(Bucket="b")
    assert len(requests) == 1


def test_a_profile_that_does_not_exist_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As what must be put right, not as a traceback."""
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    with pytest.raises(ConfigurationError, match=r"no-such-profile.*Set AWS_PROFILE"):
        session("eu-central-1")
