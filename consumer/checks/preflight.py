"""Checks what the worker needs, one by one. The worker does not start if one fails; `doctor` prints all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError

from consumer.aws import CALLS
from consumer.bundles.location import BundleSource
from consumer.errors import AWS_ERRORS, Retry, may_pass
from consumer.findings import Finding, State, refused
from consumer.settings import Settings
from consumer.stream.client import Stream
from scoring.bundle import Bundle, BundleError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef


def check_bundle(source: BundleSource) -> tuple[Bundle | None, Finding]:
    """Load and verify the bundle."""
    try:
        bundle = source.load()
    except (BundleError, Retry) as error:
        advice = "Set MODEL_DIR to a bundle, or leave it unset"
        if isinstance(error, Retry):
            advice = "Check MODEL_DIR and the role's s3:GetObject and s3:ListBucket rights there"
        return None, Finding("bundle", State.FAULT, str(error), advice, passing=may_pass(error.__cause__))
    return bundle, Finding("bundle", State.FINE, f"{bundle.id}, verified")


def check_credentials(session: boto3.Session) -> Finding:
    """Are there credentials? Makes no call."""
    try:
        credentials = session.get_credentials()
    except BotoCoreError as error:
        return Finding("credentials", State.FAULT, str(error), "Check the AWS profile or the task role")
    if credentials is None:
        return Finding(
            "credentials", State.FAULT, "none found", "Run under a task role, or set AWS_PROFILE or the AWS_* keys"
        )
    return Finding("credentials", State.FINE, f"found by {credentials.method}")


def check_table(session: boto3.Session, settings: Settings) -> tuple[Stream | None, list[Finding]]:
    """The table, its key and its stream."""
    name = settings.table
    try:
        table = session.client("dynamodb", config=CALLS).describe_table(TableName=name)["Table"]
    except AWS_ERRORS as error:
        return None, [
            refused("table", f"table {name!r} in {settings.region}", error, "BATTERY_TABLE_NAME and AWS_DEFAULT_REGION")
        ]
    keys = {key["KeyType"]: key["AttributeName"] for key in table["KeySchema"]}
    partition = keys["HASH"]
    sort = f", sort key {keys['RANGE']!r}" if "RANGE" in keys else ""
    findings = [
        Finding("table", State.FINE, f"{name}: {table.get('TableStatus', '?').lower()}"),
        Finding("key schema", State.FINE, f"partition key {partition!r}{sort}"),
    ]
    stream, finding = _stream(table, partition, keys.get("RANGE"))
    return stream, [*findings, finding]


def check_bucket(session: boto3.Session, settings: Settings) -> Finding:
    """Is the bucket there, and may we use it?"""
    try:
        session.client("s3", config=CALLS).head_bucket(Bucket=settings.bucket)
    except AWS_ERRORS as error:
        return refused("bucket", f"bucket {settings.bucket!r}", error, "RESULTS_BUCKET_NAME and the role's s3 rights")
    return Finding("bucket", State.FINE, settings.bucket)


def check_topic(session: boto3.Session, settings: Settings) -> Finding:
    """Is the topic there, and may we use it?"""
    try:
        session.client("sns", config=CALLS).get_topic_attributes(TopicArn=settings.topic_arn)
    except AWS_ERRORS as error:
        return refused("topic", settings.topic_arn, error, "TOPIC_ARN and the role's sns rights")
    return Finding("topic", State.FINE, settings.topic_arn)


def _stream(table: TableDescriptionTypeDef, partition: str, sort: str | None) -> tuple[Stream | None, Finding]:
    how = (
        f"aws dynamodb update-table --table-name {table['TableName']} "
        "--stream-specification StreamEnabled=true,StreamViewType=NEW_IMAGE"
    )
    specification = table.get("StreamSpecification", {})
    if not specification.get("StreamEnabled") or "LatestStreamArn" not in table:
        return None, Finding("stream", State.FAULT, f"table {table['TableName']} has no stream", f"Turn it on: {how}")
    view = specification.get("StreamViewType", "")
    if view not in ("NEW_IMAGE", "NEW_AND_OLD_IMAGES"):
        return None, Finding(
            "stream", State.FAULT, f"its records carry no new image ({view})", f"Turn it off, then on again: {how}"
        )
    stream = Stream(table["LatestStreamArn"], table["LatestStreamLabel"], partition, sort)
    return stream, Finding("stream", State.FINE, f"{view}, {stream.label}")
