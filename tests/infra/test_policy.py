"""The worker may do exactly what it does, on exactly what it works on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from infra.cdk.policy import Names, task_statements

if TYPE_CHECKING:
    from tests.infra.conftest import Synthesised

TABLE = "arn:aws:dynamodb:eu-central-1:123456789012:table/device4"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:events"
BUCKET = "arn:aws:s3:::results"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/1"
NAMES = Names(
    table=TABLE, streams=f"{TABLE}/stream/*", bucket=BUCKET, topic=TOPIC, namespace="two", key=KEY, charts="charts"
)


def test_the_task_role_may_do_this_and_nothing_else() -> None:
    """The whole document."""
    assert task_statements(NAMES) == [
        {
            "Sid": "Table",
            "Effect": "Allow",
            "Action": ["dynamodb:DescribeTable", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:Scan"],
            "Resource": [TABLE],
        },
        {
            "Sid": "Stream",
            "Effect": "Allow",
            "Action": ["dynamodb:DescribeStream", "dynamodb:GetShardIterator", "dynamodb:GetRecords"],
            "Resource": [f"{TABLE}/stream/*"],
        },
        {"Sid": "Streams", "Effect": "Allow", "Action": ["dynamodb:ListStreams"], "Resource": ["*"]},
        {"Sid": "Bucket", "Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [BUCKET]},
        {
            "Sid": "Read",
            "Effect": "Allow",
            "Action": ["s3:GetObject"],
            "Resource": [
                f"{BUCKET}/state/two/*",
                f"{BUCKET}/battery-events/*",
                f"{BUCKET}/battery-mutes/*",
                f"{BUCKET}/charts/*",
            ],
        },
        {
            "Sid": "Write",
            "Effect": "Allow",
            "Action": ["s3:PutObject"],
            "Resource": [
                f"{BUCKET}/state/two/*",
                f"{BUCKET}/battery-events/*",
                f"{BUCKET}/charts/*",
                f"{BUCKET}/battery-quarantine/*",
                f"{BUCKET}/battery-undelivered/*",
                f"{BUCKET}/battery-ledger/*",
                f"{BUCKET}/battery-minutes/*",
            ],
        },
        {"Sid": "Topic", "Effect": "Allow", "Action": ["sns:GetTopicAttributes", "sns:Publish"], "Resource": [TOPIC]},
        {"Sid": "TopicKey", "Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": [KEY]},
    ]


@pytest.mark.parametrize(
    ("prefix", "resource"), [("bundles", "arn:aws:s3:::models/bundles/*"), ("", "arn:aws:s3:::models/*")]
)
def test_bundles_in_s3_may_be_read_where_they_lie(prefix: str, resource: str) -> None:
    """And the bucket listed: without that a missing file is a refusal."""
    names = Names("t", "s", BUCKET, TOPIC, "two", bundles=("arn:aws:s3:::models", prefix))
    assert task_statements(names)[-2:] == [
        {"Sid": "BundlePlace", "Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::models"]},
        {"Sid": "Bundles", "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": [resource]},
    ]


def test_the_function_is_what_the_template_grants(plain: Synthesised) -> None:
    """One policy and no managed one on the task role; the names are those of the table, the bucket and the topics."""
    roles = plain.template("Service")["Resources"]
    (task,) = plain.of("AWS::ECS::TaskDefinition")
    role = task["Properties"]["TaskRoleArn"]["Fn::GetAtt"][0]
    assert "ManagedPolicyArns" not in roles[role]["Properties"]
    assert "Policies" not in roles[role]["Properties"]
    (policy,) = [p for p in plain.of("AWS::IAM::Policy") if {"Ref": role} in p["Properties"]["Roles"]]
    table = "arn:<AWS::Partition>:dynamodb:<AWS::Region>:<AWS::AccountId>:table/device4"
    exports = plain.template("Data")["Outputs"]

    def named(value: Any) -> Any:
        """As text; what comes from the other stack by what it is there."""
        if isinstance(value, list):
            return [named(each) for each in value]
        if isinstance(value, str):
            return value
        ((how, what),) = value.items()
        if how == "Fn::Join":
            return "".join(named(part) for part in what[1])
        if how == "Fn::ImportValue":
            return next(named(o["Value"]) for o in exports.values() if o.get("Export", {}).get("Name") == what)
        return f"<{'.'.join(what) if isinstance(what, list) else what}>"

    statements = [
        each
        | {
            "Action": each["Action"] if isinstance(each["Action"], list) else [each["Action"]],
            "Resource": [
                named(r) for r in (each["Resource"] if isinstance(each["Resource"], list) else [each["Resource"]])
            ],
        }
        for each in policy["Properties"]["PolicyDocument"]["Statement"]
    ]
    data = plain.template("Data")["Resources"]
    ids = {kind: [n for n, r in data.items() if r["Type"] == kind] for kind in ("AWS::S3::Bucket", "AWS::KMS::Key")}
    (events,) = [n for n, r in data.items() if r["Type"] == "AWS::SNS::Topic" and n.startswith("Events")]
    expected = Names(
        table=table,
        streams=f"{table}/stream/*",
        bucket=f"<{ids['AWS::S3::Bucket'][0]}.Arn>",
        topic=f"<{events}>",
        namespace="default",
        key=f"<{ids['AWS::KMS::Key'][0]}.Arn>",
    )
    assert statements == task_statements(expected)


def test_starting_the_worker_takes_its_image_and_its_log(plain: Synthesised) -> None:
    """The execution role: one repository, one log group, no managed policy."""
    roles = plain.template("Service")["Resources"]
    (task,) = plain.of("AWS::ECS::TaskDefinition")
    role = task["Properties"]["ExecutionRoleArn"]["Fn::GetAtt"][0]
    assert role != task["Properties"]["TaskRoleArn"]["Fn::GetAtt"][0]
    assert "ManagedPolicyArns" not in roles[role]["Properties"]
    (policy,) = [p for p in plain.of("AWS::IAM::Policy") if {"Ref": role} in p["Properties"]["Roles"]]
    granted = {str(each["Action"]): each["Resource"] for each in policy["Properties"]["PolicyDocument"]["Statement"]}
    assert [resource for resource in granted.values() if resource == "*"] == [granted["ecr:GetAuthorizationToken"]]
    assert sorted(granted) == [
        "['ecr:BatchCheckLayerAvailability', 'ecr:GetDownloadUrlForLayer', 'ecr:BatchGetImage']",
        "['logs:CreateLogStream', 'logs:PutLogEvents']",
        "ecr:GetAuthorizationToken",
    ]
