"""What the worker needs of its surroundings: each fault with what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from repository import SHIPPED_BUNDLE

from consumer.bundles.location import BundleSource
from consumer.checks import preflight as checks
from consumer.errors import ConfigurationError
from consumer.findings import Finding, State, require
from scoring.bundle import in_folder

SETTINGS: Any = SimpleNamespace(
    table="device4",
    region="eu-central-1",
    bucket="results",
    topic_arn="arn:aws:sns:eu-central-1:123456789012:battery",
)
ARN = "arn:aws:dynamodb:eu-central-1:123456789012:table/device4/stream/2026-07-25T00:00:00.000"


def raising(error: Exception) -> Callable[..., Any]:
    def call(**_: Any) -> Any:
        raise error

    return call


def refusal(status: int, code: str, message: str = "no") -> ClientError:
    """What AWS answers."""
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "Call",
    )


def session(**calls: Callable[..., Any]) -> Any:
    """A session all of whose clients have these calls."""
    return SimpleNamespace(client=lambda name, config: SimpleNamespace(**calls))


def table(**changes: Any) -> Callable[..., Any]:
    """Answers DescribeTable."""
    found = {
        "TableName": "device4",
        "TableStatus": "ACTIVE",
        "KeySchema": [{"AttributeName": "ts", "KeyType": "HASH"}],
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        "LatestStreamArn": ARN,
        "LatestStreamLabel": "2026-07-25T00:00:00.000",
        **changes,
    }

    def describe_table(*, TableName: str) -> dict[str, Any]:  # noqa: N803
        assert TableName == "device4"
        return {"Table": {name: value for name, value in found.items() if value is not None}}

    return describe_table


def fault(findings: list[Finding]) -> Finding:
    """The only one."""
    faults = [finding for finding in findings if finding.state is State.FAULT]
    assert len(faults) == 1
    return faults[0]


@pytest.mark.parametrize("view", ["NEW_IMAGE", "NEW_AND_OLD_IMAGES"])
def test_a_table_with_a_stream_of_new_images_is_fine(view: str) -> None:
    """And its stream is found."""
    whole = table(StreamSpecification={"StreamEnabled": True, "StreamViewType": view})
    stream, findings = checks.check_table(session(describe_table=whole), SETTINGS)
    assert stream is not None
    assert (stream.arn, stream.label) == (ARN, "2026-07-25T00:00:00.000")
    assert {finding.state for finding in findings} == {State.FINE}


@pytest.mark.parametrize(
    ("schema", "time_keyed"),
    [({"ts": "HASH"}, True), ({"device": "HASH", "ts": "RANGE"}, False), ({"id": "HASH"}, False)],
)
def test_the_key_schema_says_whether_time_scatters_a_device(schema: dict[str, str], time_keyed: bool) -> None:
    """A table keyed by ts alone needs one lane."""
    keys = [{"AttributeName": name, "KeyType": kind} for name, kind in schema.items()]
    stream, findings = checks.check_table(session(describe_table=table(KeySchema=keys)), SETTINGS)
    assert stream is not None
    assert stream.time_keyed is time_keyed
    told = next(finding.found for finding in findings if finding.subject == "key schema")
    assert all(repr(name) in told for name in schema)


@pytest.mark.parametrize(
    "changes",
    [
        {"StreamSpecification": None, "LatestStreamArn": None},
        {"StreamSpecification": {"StreamEnabled": False}},
        {"LatestStreamArn": None},
    ],
)
def test_a_table_without_a_stream_is_told_how_to_get_one(changes: dict[str, Any]) -> None:
    """Also one whose stream was turned off: its ARN is still named."""
    stream, findings = checks.check_table(session(describe_table=table(**changes)), SETTINGS)
    found = fault(findings)
    assert stream is None
    assert (found.subject, found.found) == ("stream", "table device4 has no stream")
    assert "aws dynamodb update-table --table-name device4" in found.advice
    assert "StreamViewType=NEW_IMAGE" in found.advice


@pytest.mark.parametrize("view", ["KEYS_ONLY", "OLD_IMAGE"])
def test_a_stream_without_new_images_is_told(view: str) -> None:
    """Every record of it would be quarantined."""
    whole = table(StreamSpecification={"StreamEnabled": True, "StreamViewType": view})
    stream, findings = checks.check_table(session(describe_table=whole), SETTINGS)
    assert stream is None
    assert view in fault(findings).found
    assert "NEW_IMAGE" in fault(findings).advice


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (refusal(400, "ResourceNotFoundException"), "does not exist"),
        (refusal(403, "AccessDeniedException"), "access denied (AccessDeniedException)"),
        (refusal(400, "UnrecognizedClientException", "The security token is invalid."), "token is invalid"),
        (EndpointConnectionError(endpoint_url="https://dynamodb"), "Could not connect"),
        (NoCredentialsError(), "Unable to locate credentials"),
    ],
)
def test_a_table_that_cannot_be_reached_is_told(error: Exception, said: str) -> None:
    """With where it was looked for, and which settings say so."""
    stream, findings = checks.check_table(session(describe_table=raising(error)), SETTINGS)
    found = fault(findings)
    assert stream is None
    assert found.subject == "table"
    assert "'device4' in eu-central-1" in found.found
    assert said in found.found
    assert ("BATTERY_TABLE_NAME" if isinstance(error, ClientError) else "AWS_ENDPOINT_URL") in found.advice


def test_a_client_that_cannot_be_made_is_told() -> None:
    """botocore looks at the region's name then."""

    def client(name: str, config: Any) -> Any:
        raise EndpointConnectionError(endpoint_url=f"https://{name}")

    broken: Any = SimpleNamespace(client=client)
    assert fault(checks.check_table(broken, SETTINGS)[1]).subject == "table"
    assert checks.check_bucket(broken, SETTINGS).state is State.FAULT
    assert checks.check_topic(broken, SETTINGS).state is State.FAULT


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (refusal(404, "404"), "does not exist"),
        (refusal(403, "403"), "access denied (403)"),
        (refusal(301, "301"), "301"),
    ],
)
def test_a_bucket_that_is_not_there_for_us_is_told(error: Exception, said: str) -> None:
    """S3 answers without a body: only the status tells."""
    found = checks.check_bucket(session(head_bucket=raising(error)), SETTINGS)
    assert found.state is State.FAULT
    assert "'results'" in found.found
    assert said in found.found
    assert "RESULTS_BUCKET_NAME" in found.advice


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (refusal(404, "NotFound"), "does not exist"),
        (refusal(403, "AuthorizationError"), "access denied (AuthorizationError)"),
    ],
)
def test_a_topic_that_is_not_there_for_us_is_told(error: Exception, said: str) -> None:
    """By its ARN."""
    found = checks.check_topic(session(get_topic_attributes=raising(error)), SETTINGS)
    assert found.state is State.FAULT
    assert SETTINGS.topic_arn in found.found
    assert said in found.found
    assert "TOPIC_ARN" in found.advice


def test_bucket_and_topic_are_fine() -> None:
    """One call each."""
    good = session(head_bucket=lambda Bucket: {}, get_topic_attributes=lambda TopicArn: {})  # noqa: N803
    assert checks.check_bucket(good, SETTINGS).state is State.FINE
    assert checks.check_topic(good, SETTINGS).state is State.FINE


def test_credentials_are_looked_for_without_a_call() -> None:
    """None, an unusable profile, or where they were found."""
    none: Any = SimpleNamespace(get_credentials=lambda: None)
    found: Any = SimpleNamespace(get_credentials=lambda: SimpleNamespace(method="container-role"))
    broken: Any = SimpleNamespace(get_credentials=raising(NoCredentialsError()))
    assert (checks.check_credentials(none).state, checks.check_credentials(none).found) == (State.FAULT, "none found")
    assert "AWS_PROFILE" in checks.check_credentials(none).advice
    assert checks.check_credentials(found) == Finding("credentials", State.FINE, "found by container-role")
    assert checks.check_credentials(broken).state is State.FAULT


def test_the_bundle_is_verified(tmp_path: Path) -> None:
    """One that is not there is told with what to set."""
    bundle, finding = checks.check_bundle(BundleSource(in_folder(SHIPPED_BUNDLE), str(SHIPPED_BUNDLE)))
    assert bundle is not None
    assert (finding.state, finding.found) == (State.FINE, f"{bundle.id}, verified")
    missing, finding = checks.check_bundle(BundleSource(in_folder(tmp_path), str(tmp_path)))
    assert missing is None
    assert finding.state is State.FAULT
    assert "MODEL_DIR" in finding.advice


def test_a_bundle_in_s3_that_may_not_be_read_is_told_with_the_rights_it_takes() -> None:
    """It may be there all the same."""
    client = SimpleNamespace(get_object=raising(refusal(403, "AccessDenied")))
    aws: Any = SimpleNamespace(client=lambda name, config: client)
    missing, finding = checks.check_bundle(BundleSource.at("s3://models/mine/", lambda: aws))
    assert missing is None
    assert finding.state is State.FAULT
    assert "reading s3://models/mine/current" in finding.found
    assert "s3:GetObject" in finding.advice


def test_all_faults_stop_the_start_at_once() -> None:
    """And notes do not."""
    fine, note = Finding("table", State.FINE, "device4"), Finding("clock", State.NOTE, "60 s behind", "set it")
    require([fine, note])
    with pytest.raises(ConfigurationError) as stopped:
        require([Finding("bucket", State.FAULT, "is gone", "Make one"), fine, Finding("topic", State.FAULT, "is gone")])
    assert str(stopped.value) == "cannot start:\n  bucket: is gone. Make one\n  topic: is gone."
