"""All checks, in the order in which a person would make them. A check is left out if one that it builds on failed."""

from __future__ import annotations

from time import time

import boto3

from consumer.aws import CALLS, session
from consumer.bundles.location import BundleSource
from consumer.checks import preflight
from consumer.checks.stream_probe import judge_newest, read_newest
from consumer.errors import AWS_ERRORS, BatteryWatchError, ConfigurationError, Retry
from consumer.findings import Finding, State, refused
from consumer.mutes.store import MuteStore
from consumer.settings import Settings
from consumer.stream.client import DynamoDBStreams, Stream
from consumer.stream.records import Decoder
from reporting.contract.events import utc
from reporting.mutes import Mutes
from reporting.names import flat
from scoring.bundle import Bundle
from window.samples import Names


def diagnose(settings: Settings, *, publish: bool) -> list[Finding]:
    """Check everything. Blocks at most for the calls' time-outs. ``publish``: also send a test message."""
    try:
        aws = session(settings.region)
    except ConfigurationError as error:
        return [Finding("credentials", State.FAULT, str(error))]
    bundle, about_bundle = preflight.check_bundle(BundleSource.at(settings.bundle, lambda: aws))
    credentials = preflight.check_credentials(aws)
    findings = [about_bundle, credentials]
    if credentials.state is State.FAULT:
        return findings
    stream, about_table = preflight.check_table(aws, settings)
    findings += about_table
    bucket, topic = preflight.check_bucket(aws, settings), preflight.check_topic(aws, settings)
    findings.append(_try_bucket(aws, settings) if bucket.state is State.FINE else bucket)
    if bucket.state is State.FINE:
        findings.append(_mutes(aws, settings))
    findings.append(_try_topic(aws, settings) if publish and topic.state is State.FINE else topic)
    if stream is not None and bundle is not None:
        findings += _newest(aws, settings, stream, bundle)
    return findings


def _try_bucket(aws: boto3.Session, settings: Settings) -> Finding:
    key = f"state/{settings.namespace}/doctor"
    try:
        aws.client("s3", config=CALLS).put_object(Bucket=settings.bucket, Key=key, Body=str(int(time())).encode())
    except AWS_ERRORS as error:
        return refused("bucket", f"writing s3://{settings.bucket}/{key}", error, "the role's s3:PutObject right")
    return Finding("bucket", State.FINE, f"{settings.bucket}: wrote {key}")


def _mutes(aws: boto3.Session, settings: Settings) -> Finding:
    """The mutes in force: the first place to look if nothing is published."""
    now = time()
    try:
        found = MuteStore(aws.client("s3", config=CALLS), settings.bucket).read(now)
    except Retry as error:
        return Finding("mutes", State.FAULT, str(error), "Check the role's s3:ListBucket and s3:GetObject rights")
    unread = sum(each.mute is None for each in found.values())
    in_force = Mutes(each.mute for each in found.values() if each.mute is not None).in_force(now)
    listed = [
        f"{flat(m.device) if m.device is not None else 'every device'} until {utc(m.until):%Y-%m-%d %H:%M} UTC"
        for m in in_force
    ]
    if unread:
        listed.append(f"{unread} cannot be read and mute nothing")
    if not listed:
        return Finding("mutes", State.FINE, "none in force")
    more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
    return Finding(
        "mutes", State.NOTE, "; ".join(listed[:3]) + more, "`battery-watch mutes` lists them, `unmute` ends one"
    )


def _try_topic(aws: boto3.Session, settings: Settings) -> Finding:
    try:
        sent = aws.client("sns", config=CALLS).publish(
            TopicArn=settings.topic_arn,
            Subject="Battery Watch: test",
            Message="A test by `battery-watch doctor --publish`. Nothing is wrong.",
            MessageAttributes={"type": {"DataType": "String", "StringValue": "test"}},
        )
    except AWS_ERRORS as error:
        return refused("topic", settings.topic_arn, error, "the role's sns:Publish right")
    return Finding("topic", State.FINE, f"{settings.topic_arn}: published test message {sent['MessageId']}")


def _newest(aws: boto3.Session, settings: Settings, stream: Stream, bundle: Bundle) -> list[Finding]:
    decoder = Decoder(
        table=settings.table,
        device_key=settings.device_key,
        devices=Names(),
        shards=Names(),
        plausible=bundle.config.plausible,
    )
    try:
        newest = read_newest(DynamoDBStreams(aws.client("dynamodbstreams", config=CALLS), stream.arn), decoder)
    except BatteryWatchError as error:
        return [Finding("newest records", State.FAULT, str(error), "check the role's dynamodb stream rights")]
    return judge_newest(newest, bundle, time_keyed=stream.time_keyed)
