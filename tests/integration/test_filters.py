"""Filter policies, from the topic to a queue: each gets exactly its messages."""

from __future__ import annotations

import json
from typing import Any

import pytest
from independent import CONTRACT, independently_valid

from reporting.contract.documents import FILTERS
from reporting.contract.events import parse
from reporting.contract.examples import examples
from reporting.contract.receiving import TYPES, from_sqs
from reporting.message import Message
from reporting.sinks.publisher import Answer
from reporting.sinks.topic import Topic

SEVERITY = {kind: event.severitytext for kind, event in examples().items()}
EXPECTED = {
    "critical_only": {kind for kind in TYPES if SEVERITY[kind] == "critical"},
    "one_device": {kind for kind in TYPES if examples()[kind].subject == "bay-7"},
    "health_only": {kind for kind in TYPES if kind.startswith("health.")},
    "all_but_ongoing": set(TYPES) - {"anomaly.ongoing"},
}


def message(kind: str) -> Message:
    body = (CONTRACT / "samples" / f"{kind}.json").read_text()
    event = parse(body)
    text = f"{event.severitytext.upper()}: {event.subject}\n{event.data.summary}"
    state = event.data.state if hasattr(event.data, "state") else "opened"
    return Message(event.id, kind, event.severitytext, event.subject, state, event.dataschema, body, text)


@pytest.mark.parametrize("raw", [True, False])
def test_each_filter_lets_through_exactly_its_messages(account: Any, raw: bool) -> None:
    """Every type is published once; what comes is valid to others, and the client reads it, wrapped or raw."""
    sns, sqs = account.world.aws.sns, account.world.aws.sqs
    topic = account.environment["TOPIC_ARN"]
    assert set(EXPECTED) == set(FILTERS)
    queues = {}
    for name in FILTERS:
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = (CONTRACT / "filters" / f"{name}.json").read_text()
        attributes = {"FilterPolicy": policy, "RawMessageDelivery": str(raw).lower()}
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)
        queues[name] = url
    assert Topic(sns, topic).publish([message(kind) for kind in TYPES]) == Answer()
    for name, url in queues.items():
        heard: list[dict[str, Any]] = []
        while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            heard += found
            for each in found:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
        events = [from_sqs(each) for each in heard]
        assert sorted(event.type for event in events) == sorted(EXPECTED[name])
        for each in heard:
            independently_valid(each["Body"] if raw else json.loads(each["Body"])["Message"])
