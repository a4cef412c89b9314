"""The temporary queue where AWS refuses or does not answer."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from battery_watch.events.temporary_queue import TemporaryQueue
from consumer.errors import ConfigurationError

TOPIC = "arn:aws:sns:r:1:t"


def refused(operation: str, status: int = 403, code: str = "AccessDenied") -> ClientError:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)


class Account:
    """SQS and SNS in memory. ``faults``: what a call raises, after it took effect if ``lost``."""

    def __init__(self) -> None:
        self.queues: dict[str, str] = {}
        self.subscriptions: dict[str, str] = {}
        self.faults: dict[str, Exception] = {}
        self.lost: set[str] = set()

    def session(self) -> Any:
        return SimpleNamespace(client=lambda *_, **__: self, region_name="r")

    def _do(self, operation: str, effect: Callable[[], Any]) -> Any:
        fault = self.faults.get(operation)
        if fault is None:
            return effect()
        if operation in self.lost:
            effect()
        raise fault

    def create_queue(self, *, QueueName: str, Attributes: dict[str, str]) -> Any:  # noqa: N803
        def make() -> Any:
            self.queues[QueueName] = ""
            return {"QueueUrl": f"https://{QueueName}"}

        return self._do("create_queue", make)

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: list[str]) -> Any:  # noqa: N803
        return self._do("get_queue_attributes", lambda: {"Attributes": {"QueueArn": f"arn:{QueueUrl[8:]}"}})

    def set_queue_attributes(self, *, QueueUrl: str, Attributes: dict[str, str]) -> Any:  # noqa: N803
        return self._do("set_queue_attributes", lambda: self.queues.update({QueueUrl[8:]: Attributes["Policy"]}))

    def get_queue_url(self, *, QueueName: str) -> Any:  # noqa: N803
        def find() -> Any:
            if QueueName not in self.queues:
                raise refused("GetQueueUrl", 400, "AWS.SimpleQueueService.NonExistentQueue")
            return {"QueueUrl": f"https://{QueueName}"}

        return self._do("get_queue_url", find)

    def delete_queue(self, *, QueueUrl: str) -> Any:  # noqa: N803
        return self._do("delete_queue", lambda: self.queues.pop(QueueUrl[8:]))

    def subscribe(self, *, Endpoint: str, **_: Any) -> Any:  # noqa: N803
        def make() -> Any:
            self.subscriptions[f"{TOPIC}:{len(self.subscriptions)}"] = Endpoint
            return {"SubscriptionArn": next(arn for arn, to in self.subscriptions.items() if to == Endpoint)}

        return self._do("subscribe", make)

    def unsubscribe(self, *, SubscriptionArn: str) -> Any:  # noqa: N803
        return self._do("unsubscribe", lambda: self.subscriptions.pop(SubscriptionArn))

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_subscriptions_by_topic"
        rows = [{"SubscriptionArn": arn, "Endpoint": to} for arn, to in self.subscriptions.items()]
        return SimpleNamespace(paginate=lambda **_: [{"Subscriptions": rows[n : n + 1]} for n in range(len(rows))])


@pytest.fixture
def account() -> Account:
    """With a queue and a subscription of somebody else's."""
    account = Account()
    account.queues["theirs"] = ""
    account.subscriptions[f"{TOPIC}:theirs"] = "arn:theirs"
    return account


@pytest.fixture
def queue(account: Account) -> TemporaryQueue:
    """Not open yet."""
    return TemporaryQueue(account.session(), TOPIC, {"severity": ["high"]})


def only_theirs(account: Account) -> bool:
    return list(account.queues) == ["theirs"] and list(account.subscriptions.values()) == ["arn:theirs"]


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("operation", ["create_queue", "get_queue_attributes", "set_queue_attributes", "subscribe"])
def test_a_start_that_fails_leaves_nothing(account: Account, queue: TemporaryQueue, operation: str, lost: bool) -> None:
    """Also where a call took effect and its answer was lost."""
    account.faults[operation] = ReadTimeoutError(endpoint_url="https://sqs") if lost else refused(operation)
    account.lost = {operation} if lost else set()
    with pytest.raises(ConfigurationError) as raised:
        queue.open()
    said = str(raised.value)
    assert "\n" not in said
    assert lost or ("access denied (AccessDenied). Check" in said and ("sqs:" in said or "sns:Subscribe" in said))
    assert queue.remove() == []
    assert only_theirs(account)


def test_a_refused_start_asks_for_nothing_to_be_removed(account: Account, queue: TemporaryQueue) -> None:
    """Who may not make a queue may not delete one either, and there is none."""
    account.faults = {name: refused(name) for name in ("create_queue", "get_queue_url", "delete_queue")}
    with pytest.raises(ConfigurationError):
        queue.open()
    assert queue.remove() == []


def test_both_are_removed_even_if_asked_twice(account: Account, queue: TemporaryQueue) -> None:
    """And even if somebody else removed the queue."""
    queue.open()
    assert len(account.queues) == len(account.subscriptions) == 2
    account.faults["delete_queue"] = refused("DeleteQueue", 400, "QueueDoesNotExist")
    account.lost = {"delete_queue"}
    assert queue.remove() == []
    assert queue.remove() == []
    assert only_theirs(account)


def test_what_cannot_be_removed_is_named_with_its_command(account: Account, queue: TemporaryQueue) -> None:
    """The one does not keep the other from being removed."""
    queue.open()
    account.faults["unsubscribe"] = refused("Unsubscribe")
    (left,) = queue.remove()
    assert left.endswith(f"To remove it: aws sns unsubscribe --region r --subscription-arn {TOPIC}:1")
    assert list(account.queues) == ["theirs"]
    del account.faults["unsubscribe"]
    assert queue.remove() == []
    assert only_theirs(account)


def test_a_queue_that_cannot_be_removed_is_named_with_its_command(account: Account, queue: TemporaryQueue) -> None:
    """By its address."""
    queue.open()
    account.faults["delete_queue"] = refused("DeleteQueue")
    (left,) = queue.remove()
    assert left.endswith(f"To remove it: aws sqs delete-queue --region r --queue-url https://{queue.name}")
    assert list(account.subscriptions.values()) == ["arn:theirs"]
