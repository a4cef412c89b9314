"""The stream calls: what they ask, what they make of the answers, and what of the refusals."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, ParamValidationError

from consumer.errors import BatteryWatchError, ConfigurationError, Expired, Retry, Trimmed, Vanished
from consumer.stream.client import DynamoDBStreams
from consumer.stream.source import ShardNode

ARN = "arn:aws:dynamodb:eu-central-1:123456789012:table/device4/stream/2026-07-25T00:00:00.000"


def streams(**calls: Any) -> DynamoDBStreams:
    return DynamoDBStreams(SimpleNamespace(**calls), ARN)  # type: ignore[arg-type]


def test_shards_come_in_pages_with_their_parents() -> None:
    """A shard with an ending number is closed."""
    asked: list[dict[str, Any]] = []

    def describe_stream(**request: Any) -> dict[str, Any]:
        asked.append(request)
        shards = [
            {"ShardId": "a", "SequenceNumberRange": {"StartingSequenceNumber": "1", "EndingSequenceNumber": "9"}},
            {"ShardId": "b", "ParentShardId": "a", "SequenceNumberRange": {"StartingSequenceNumber": "10"}},
        ]
        last = {} if "ExclusiveStartShardId" in request else {"LastEvaluatedShardId": "b"}
        return {"StreamDescription": {"Shards": shards, **last}}

    calls = streams(describe_stream=describe_stream)
    page = calls.describe(None)
    assert list(page.shards) == [ShardNode("a", None, True), ShardNode("b", "a", False)]
    assert page.next_shard == "b"
    assert calls.describe("b").next_shard is None
    assert asked == [{"StreamArn": ARN}, {"StreamArn": ARN, "ExclusiveStartShardId": "b"}]


def test_the_streams_of_the_table_come_in_pages() -> None:
    """By their labels; the one that is read is among them."""
    asked: list[dict[str, Any]] = []

    def list_streams(**request: Any) -> dict[str, Any]:
        asked.append(request)
        if "ExclusiveStartStreamArn" in request:
            return {"Streams": [{"StreamLabel": "2026-08-01T00:00:00.000"}]}
        return {"Streams": [{"StreamLabel": "2026-07-25T00:00:00.000"}], "LastEvaluatedStreamArn": ARN}

    calls = streams(list_streams=list_streams)
    assert calls.label == "2026-07-25T00:00:00.000"
    assert calls.labels() == ["2026-07-25T00:00:00.000", "2026-08-01T00:00:00.000"]
    assert [request["TableName"] for request in asked] == ["device4", "device4"]


@pytest.mark.parametrize(
    ("kind", "sequence"), [("TRIM_HORIZON", None), ("LATEST", None), ("AFTER_SEQUENCE_NUMBER", "4200")]
)
def test_an_iterator_after_a_number_names_it_and_no_other_does(kind: Any, sequence: str | None) -> None:
    """AFTER_SEQUENCE_NUMBER without one is refused by AWS (a public bug)."""
    asked: list[dict[str, Any]] = []

    def get_shard_iterator(**request: Any) -> dict[str, Any]:
        asked.append(request)
        return {"ShardIterator": "it"}

    assert streams(get_shard_iterator=get_shard_iterator).iterator("a", kind, sequence) == "it"
    named = {"SequenceNumber": sequence} if sequence else {}
    assert asked == [{"StreamArn": ARN, "ShardId": "a", "ShardIteratorType": kind, **named}]


@pytest.mark.parametrize(
    ("answer", "records", "following"),
    [
        ({"Records": [{"eventID": "1"}], "NextShardIterator": "next"}, [{"eventID": "1"}], "next"),
        ({"Records": [], "NextShardIterator": "next"}, [], "next"),
        ({"Records": [{"eventID": "1"}]}, [{"eventID": "1"}], None),
    ],
)
def test_a_page_may_carry_records_and_no_next_iterator(
    answer: dict[str, Any], records: list[Any], following: str | None
) -> None:
    """The last page of a closed shard."""

    def get_records(*, ShardIterator: str, Limit: int) -> dict[str, Any]:  # noqa: N803
        assert (ShardIterator, Limit) == ("it", 7)
        return answer

    page = streams(get_records=get_records).records("it", 7)
    assert (list(page.records), page.next_iterator) == (records, following)


@pytest.mark.parametrize("answer", [{}, {"NextShardIterator": "next"}, [], None, "<html>busy</html>", {"Records": 7}])
def test_bug_29_an_answer_that_is_not_what_the_api_promises_is_a_fault_of_its_call(answer: Any) -> None:
    """A gateway may answer with status 200 and anything else. Taken for a page without a next iterator it would end the
    shard for ever (a public bug), and an exception would end the reader."""
    calls = streams(
        describe_stream=lambda **_: answer, get_shard_iterator=lambda **_: answer, get_records=lambda **_: answer
    )
    for call in (
        lambda: calls.describe(None),
        lambda: calls.iterator("a", "LATEST", None),
        lambda: calls.records("it", 1),
    ):
        with pytest.raises(Retry, match="not what the API promises"):
            call()


def test_a_body_that_is_no_json_is_a_fault_of_its_call() -> None:
    """Whichever parser meets it."""

    def broken(**_: Any) -> Any:
        raise json.JSONDecodeError("Expecting value", "<html>", 0)

    with pytest.raises(Retry, match="GetRecords: the answer is not what the API promises"):
        streams(get_records=broken).records("it", 1)


@pytest.mark.parametrize("name", [7, "", {}])
def test_rule_25_a_name_that_is_no_text_is_a_fault_of_its_call(name: Any) -> None:
    """The next call would be refused before it is made, which killed the reader."""
    shards = [{"StreamDescription": {"Shards": [{"ShardId": name}]}}]
    shards += [{"StreamDescription": {"Shards": [], "LastEvaluatedShardId": name}}]
    for answer in shards:
        with pytest.raises(Retry, match="not what the API promises"):
            streams(describe_stream=lambda answer=answer, **_: answer).describe(None)
    with pytest.raises(Retry, match="not what the API promises"):
        streams(get_shard_iterator=lambda **_: {"ShardIterator": name}).iterator("a", "LATEST", None)
    with pytest.raises(Retry, match="not what the API promises"):
        streams(get_records=lambda **_: {"Records": [], "NextShardIterator": name}).records("it", 1)
    with pytest.raises(Retry, match="not what the API promises"):
        streams(list_streams=lambda **_: {"Streams": [{"StreamLabel": name}]}).labels()


def test_rule_25_a_parameter_that_boto_refuses_is_a_fault_of_its_call() -> None:
    """One shard with an odd name must not end the reading of all."""

    def refuse(**_: Any) -> Any:
        raise ParamValidationError(report="Invalid length for parameter ShardId")

    with pytest.raises(Retry, match="Invalid length"):
        streams(get_shard_iterator=refuse).iterator("a", "LATEST", None)


def test_rule_24_answers_say_the_services_time() -> None:
    """Of shards and of records; None where the header is missing."""
    dated = {"ResponseMetadata": {"HTTPHeaders": {"date": "Sat, 25 Jul 2026 14:25:00 GMT"}}}
    answer = {"Records": [], "StreamDescription": {}, **dated}
    calls = streams(get_records=lambda **_: answer, describe_stream=lambda **_: answer)
    assert (calls.records("it", 1).served, calls.describe(None).served) == (1_784_989_500.0,) * 2
    del answer["ResponseMetadata"]
    assert (calls.records("it", 1).served, calls.describe(None).served) == (None, None)


@pytest.mark.parametrize("newer", [True, False])
def test_a_table_that_was_deleted_is_known_by_asking_for_it(*, newer: bool) -> None:
    """Its stream stays listed for a day. A newer stream is proof enough that it is there."""
    asked: list[str] = []

    def describe_table(TableName: str) -> Any:  # noqa: N803
        asked.append(TableName)
        raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "no table"}}, "DescribeTable")

    label = "2026-08-01T00:00:00.000" if newer else "2026-07-25T00:00:00.000"
    client = SimpleNamespace(list_streams=lambda **_: {"Streams": [{"StreamLabel": label}]})
    calls = DynamoDBStreams(client, ARN, SimpleNamespace(describe_table=describe_table))  # type: ignore[arg-type]
    if newer:
        assert calls.labels() == [label]
        assert asked == []
        return
    with pytest.raises(Vanished, match=r"DescribeTable: .*no table"):
        calls.labels()
    assert asked == ["device4"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ExpiredIteratorException", Expired),
        ("TrimmedDataAccessException", Trimmed),
        ("ResourceNotFoundException", Vanished),
        ("AccessDeniedException", ConfigurationError),
        ("UnrecognizedClientException", ConfigurationError),
        ("LimitExceededException", Retry),
        ("ProvisionedThroughputExceededException", Retry),
        ("ThrottlingException", Retry),
        ("InternalServerError", Retry),
        ("SomethingNew", Retry),
    ],
)
def test_a_refusal_is_one_of_the_kinds_that_are_handled(code: str, kind: type[BatteryWatchError]) -> None:
    """By all three calls; the message names the call and what AWS said."""

    def refuse(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": code, "Message": "said AWS"}}, "Operation")

    calls = streams(describe_stream=refuse, get_shard_iterator=refuse, get_records=refuse)
    for name, call in {
        "DescribeStream": lambda: calls.describe(None),
        "GetShardIterator": lambda: calls.iterator("a", "LATEST", None),
        "GetRecords": lambda: calls.records("it", 1),
    }.items():
        expected = Retry if name == "DescribeStream" and kind in (Expired, Trimmed) else kind
        with pytest.raises(expected, match=f"{name}: .*said AWS") as raised:
            call()
        assert type(raised.value) is expected


def test_no_answer_at_all_may_be_better_next_time() -> None:
    """Time-outs and broken connections."""

    def lost(**_: Any) -> Any:
        raise ConnectTimeoutError(endpoint_url="https://streams")

    with pytest.raises(Retry, match="GetRecords"):
        streams(get_records=lost).records("it", 1)


def test_rule_25_what_is_said_of_an_iterator_means_nothing_about_a_listing() -> None:
    """It killed the reader: nobody who lists streams or shards expects it."""
    for code in ("ExpiredIteratorException", "TrimmedDataAccessException"):

        def refuse(code: str = code, **_: Any) -> Any:
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, "Call")

        with pytest.raises(Retry, match=code):
            streams(list_streams=refuse).labels()
