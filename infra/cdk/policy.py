"""The rights of the worker as a plain function of names, so that deployment and tests use the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Statement = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Names:
    """What the worker works on: ARNs, except ``namespace`` and ``charts``, the prefix of the charts.

    ``streams``: the table's stream, or a pattern for all its streams. ``bundles``: bucket and prefix of `MODEL_DIR` if
    it is in S3. ``key``: the account's key that encrypts the topic, if there is one.
    """

    table: str
    streams: str
    bucket: str
    topic: str
    namespace: str
    charts: str = "battery-reports"
    key: str | None = None
    bundles: tuple[str, str] | None = None


def task_statements(names: Names) -> list[Statement]:
    """The statements of the task role's one policy, as IAM has them in JSON."""
    bucket = names.bucket
    state = f"{bucket}/state/{names.namespace}/*"
    events, charts = f"{bucket}/battery-events/*", f"{bucket}/{names.charts}/*"
    statements = [
        _allow(
            "Table", ["dynamodb:DescribeTable", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:Scan"], names.table
        ),
        _allow(
            "Stream", ["dynamodb:DescribeStream", "dynamodb:GetShardIterator", "dynamodb:GetRecords"], names.streams
        ),
        # IAM knows no resource for this action: with an ARN it would allow nothing.
        # https://github.com/aws/aws-cdk/pull/10631
        _allow("Streams", ["dynamodb:ListStreams"], "*"),
        # For the whole bucket: HeadBucket has no prefix, and without this right a missing object is 403 instead of 404.
        _allow("Bucket", ["s3:ListBucket"], bucket),
        # A conditional write needs the right to read the object. Charts: a link works with the rights of the role that
        # signed it.
        _allow("Read", ["s3:GetObject"], state, events, f"{bucket}/battery-mutes/*", charts),
        _allow(
            "Write",
            ["s3:PutObject"],
            state,
            events,
            charts,
            f"{bucket}/battery-quarantine/*",
            f"{bucket}/battery-undelivered/*",
            f"{bucket}/battery-ledger/*",
            f"{bucket}/battery-minutes/*",
        ),
        _allow("Topic", ["sns:GetTopicAttributes", "sns:Publish"], names.topic),
    ]
    if names.key is not None:
        statements.append(_allow("TopicKey", ["kms:Decrypt", "kms:GenerateDataKey"], names.key))
    if names.bundles is not None:
        where, prefix = names.bundles
        statements.append(_allow("BundlePlace", ["s3:ListBucket"], where))
        statements.append(_allow("Bundles", ["s3:GetObject"], f"{where}/{prefix}/*" if prefix else f"{where}/*"))
    return statements


def _allow(sid: str, actions: list[str], *resources: str) -> Statement:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": list(resources)}
