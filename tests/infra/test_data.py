"""The stack that outlives the others: bucket, topics, a new table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.infra.conftest import Synthesised

WITHOUT_TLS = {"Bool": {"aws:SecureTransport": "false"}}


def denied_without_tls(policy: dict[str, Any]) -> bool:
    statements = policy["Properties"]["PolicyDocument"]["Statement"]
    return any(each["Effect"] == "Deny" and each["Condition"] == WITHOUT_TLS for each in statements)


def test_the_bucket_is_nobody_elses_and_is_kept(plain: Synthesised) -> None:
    """Public access blocked, encrypted, versioned, TLS alone, retained."""
    (bucket,) = plain.of("AWS::S3::Bucket")
    assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
    assert "BucketEncryption" in bucket["Properties"]
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("Retain", "Retain")
    (policy,) = plain.of("AWS::S3::BucketPolicy")
    assert denied_without_tls(policy)


def test_nothing_but_what_grows_is_ever_deleted_by_age(plain: Synthesised) -> None:
    """A head that expired would be a worker that begins anew; earlier versions go everywhere."""
    rules = {rule["Id"]: rule for rule in plain.one("AWS::S3::Bucket")["LifecycleConfiguration"]["Rules"]}
    expires = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules.values() if "ExpirationInDays" in rule}
    assert expires == {
        "battery-reports/": 90,
        "battery-events/": 730,
        "battery-quarantine/": 730,
        "battery-undelivered/": 730,
        "battery-minutes/": 30,
    }
    earlier = {rule.get("Prefix") for rule in rules.values() if "NoncurrentVersionExpiration" in rule}
    written = {
        "state/",
        "battery-events/",
        "battery-reports/",
        "battery-quarantine/",
        "battery-undelivered/",
        "battery-ledger/",
    }
    assert earlier == written | {"battery-mutes/", "battery-minutes/"}
    assert rules["state"]["NoncurrentVersionExpiration"] == {"NewerNoncurrentVersions": 100, "NoncurrentDays": 2}


def test_topics_and_queues_are_encrypted_and_take_nothing_without_tls(plain: Synthesised) -> None:
    """All of them."""
    topics, queues = plain.of("AWS::SNS::Topic"), plain.of("AWS::SQS::Queue")
    assert all("KmsMasterKeyId" in topic["Properties"] for topic in topics)
    assert all(queue["Properties"]["SqsManagedSseEnabled"] is True for queue in queues)
    policies = plain.of("AWS::SNS::TopicPolicy") + plain.of("AWS::SQS::QueuePolicy")
    assert len(policies) == len(topics) + len(queues)
    assert all(denied_without_tls(policy) for policy in policies)
    (key,) = plain.of("AWS::KMS::Key")
    assert key["Properties"]["EnableKeyRotation"] is True


def test_every_subscription_has_a_dead_letter_queue_with_an_alarm(plain: Synthesised) -> None:
    """E-mail gets what is high or critical and the end of it, a queue gets everything, an operator every alarm."""
    subscriptions = plain.of("AWS::SNS::Subscription")
    by_endpoint = {str(each["Properties"]["Endpoint"]): each["Properties"] for each in subscriptions}
    grave = ["high", "critical"]
    assert by_endpoint["a@b.org"]["FilterPolicy"] == {"$or": [{"filterseverity": grave}, {"severity": grave}]}
    assert [each["Properties"]["Protocol"] for each in subscriptions].count("sqs") == 1
    assert all("FilterPolicy" not in each for name, each in by_endpoint.items() if name != "a@b.org")
    data = plain.template("Data")["Resources"]
    dead = {each["Properties"]["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0] for each in subscriptions}
    dead |= {
        each["Properties"]["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
        for each in plain.of("AWS::SQS::Queue")
        if "RedrivePolicy" in each["Properties"]
    }
    assert len(dead) == len(subscriptions) + 1
    assert all(data[name]["Type"] == "AWS::SQS::Queue" for name in dead)
    watched = {
        a["Properties"]["Dimensions"][0]["Value"]["Fn::GetAtt"][0] for a in plain.of("AWS::CloudWatch::Alarm", "Data")
    }
    assert watched == dead


def test_alarms_may_publish_to_their_topic(plain: Synthesised) -> None:
    """A topic with a policy of its own takes no alarm by itself, nor does a key."""
    data = plain.template("Data")["Resources"]
    (policy,) = [r for n, r in data.items() if r["Type"] == "AWS::SNS::TopicPolicy" and n.startswith("Alarm")]
    allowed = [s for s in policy["Properties"]["PolicyDocument"]["Statement"] if s["Effect"] == "Allow"]
    assert [(s["Principal"], s["Action"]) for s in allowed] == [
        ({"Service": "cloudwatch.amazonaws.com"}, "sns:Publish")
    ]
    assert allowed[0]["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    statements = plain.one("AWS::KMS::Key")["KeyPolicy"]["Statement"]
    assert {"Service": "cloudwatch.amazonaws.com"} in [each["Principal"] for each in statements]


def test_a_table_is_made_only_when_asked_for(plain: Synthesised, other: Synthesised) -> None:
    """Keyed by device and time, with a stream of new images, kept and backed up."""
    assert plain.of("AWS::DynamoDB::Table") == []
    (table,) = other.of("AWS::DynamoDB::Table", "Data")
    made = table["Properties"]
    assert [(key["AttributeName"], key["KeyType"]) for key in made["KeySchema"]] == [
        ("device", "HASH"),
        ("ts", "RANGE"),
    ]
    assert made["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}
    assert made["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    assert made["DeletionProtectionEnabled"] is True
    assert table["DeletionPolicy"] == "Retain"
