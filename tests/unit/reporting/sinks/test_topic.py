"""Publishing in batches and in order, against a client that may refuse."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reporting.message import MAX_BYTES, Message
from reporting.sinks.publisher import Answer
from reporting.sinks.topic import Topic

SNS_BYTES = 256 * 1024


def message(n: int, body: str = "{}", text: str = "", device: str | None = None) -> Message:
    """By default each is of a device of its own."""
    name, said = device or f"d{n}", text or f"HIGH: d\nIt is {n}.\nmore"
    return Message(f"m{n}", "anomaly.sample", "high", name, "sample", "urn:s", body, said)


class Sns:
    """Takes batches as SNS does, except the messages, by number, that it shall refuse: once, or always with a code
    that says whose fault it is (``invalid``); ``whole``: it refuses the whole call then."""

    def __init__(self, *refused: int, invalid: dict[int, str] | None = None, whole: bool = False) -> None:
        self.refused = list(refused)
        self.invalid = invalid or {}
        self.whole = whole
        self.batches: list[list[dict[str, Any]]] = []
        self.taken: list[str] = []

    def publish_batch(self, **request: Any) -> dict[str, Any]:
        assert request["TopicArn"] == "arn"
        entries = list(request["PublishBatchRequestEntries"])
        assert 0 < len(entries) <= 10
        assert len({entry["Id"] for entry in entries}) == len(entries)
        assert sum(map(size, entries)) <= SNS_BYTES
        self.batches.append(entries)
        failed = []
        for entry in entries:
            structured = entry.get("MessageStructure") == "json"
            said = json.loads(entry["Message"])["sms"] if structured else entry["Message"]
            number = int(said.removeprefix("It is ").rstrip(".")) if said.startswith("It is") else -1
            if number in self.refused:
                self.refused.remove(number)
                failed.append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
            elif number in self.invalid:
                code = self.invalid[number]
                if self.whole:
                    raise ClientError({"Error": {"Code": code, "Message": "no"}}, "PublishBatch")
                failed.append({"Id": entry["Id"], "Code": code, "Message": "no", "SenderFault": True})
            else:
                self.taken.append(said)
        return {"Successful": [], "Failed": failed} if failed else {"Successful": []}


def size(entry: dict[str, Any]) -> int:
    """As SNS counts it: the message and its attributes' names, types and values."""
    attributes = entry["MessageAttributes"]
    return len(entry["Message"].encode()) + sum(
        len((name + value["DataType"] + value["StringValue"]).encode()) for name, value in attributes.items()
    )


def topic(client: Sns) -> Topic:
    return Topic(cast("Any", client), "arn")


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (1, [1]), (10, [10]), (11, [10, 1]), (50, [10] * 5)])
def test_ten_messages_make_a_batch(count: int, sizes: list[int]) -> None:
    """All are sent, in order."""
    client = Sns()
    assert topic(client).publish([message(n) for n in range(count)]) == Answer()
    assert [len(batch) for batch in client.batches] == sizes
    assert client.taken == [f"It is {n}." for n in range(count)]


def written(text: str) -> str:
    return json.dumps({"a": text}, ensure_ascii=False)


bodies = st.builds(
    lambda letter, bytes_: written(letter * (bytes_ // len(written(letter)[6:-2].encode()))),
    st.sampled_from(["x", '"', "ä", "电", "🔋", "\\"]),
    st.integers(0, MAX_BYTES - 9),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(bodies, max_size=20))
@example([written('"' * 15_000)] * 12)
@example([written("电" * 10_000)] * 12)
def test_no_batch_is_larger_than_sns_takes(contents: list[str]) -> None:
    """Whatever is in the messages: quotes and letters beyond ASCII take more room on the way than in memory."""
    client = Sns()
    assert topic(client).publish([message(n, body) for n, body in enumerate(contents)]) == Answer()
    assert sorted(client.taken) == sorted(f"It is {n}." for n in range(len(contents)))


def test_rule_29_a_batch_has_one_message_of_a_device(device_order: list[Message]) -> None:
    """SNS refuses single entries of a batch and takes those after them: with two of a device in one batch, a refusal
    in passing would turn their order around."""
    client = Sns()
    assert topic(client).publish(device_order) == Answer()
    for batch in client.batches:
        names = [entry["MessageAttributes"]["device"]["StringValue"] for entry in batch]
        assert len(set(names)) == len(names)
    assert [said for said in client.taken if said in ("It is 0.", "It is 2.", "It is 4.")] == [
        "It is 0.",
        "It is 2.",
        "It is 4.",
    ]


def test_rule_29_what_is_refused_holds_back_its_device_and_no_other(device_order: list[Message]) -> None:
    """Subscribers get the events of a device in the order in which they happened."""
    client = Sns(2)
    answer = topic(client).publish(device_order)
    assert [refusal.message for refusal in answer.refused] == [device_order[2]]
    assert not answer.refused[0].final
    assert list(answer.held) == [device_order[4]]
    assert client.taken == ["It is 0.", "It is 1.", "It is 3.", "It is 5."]
    rest = [device_order[2], device_order[4]]
    assert topic(client).publish(rest) == Answer()
    assert client.taken[4:] == ["It is 2.", "It is 4."]


@pytest.fixture
def device_order() -> list[Message]:
    """Messages of two devices in turn."""
    return [message(n, device="ab"[n % 2]) for n in range(6)]


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("code", ["InvalidParameter", "InvalidParameterValue", "ParameterValueInvalid"])
def test_rule_29_a_message_at_fault_is_told_from_all_else(code: str, whole: bool) -> None:
    """By its own entry, or by the call that it makes fail alone. The others are taken."""
    client = Sns(invalid={3: code}, whole=whole)
    messages = [message(n) for n in range(5)]
    (refusal,) = topic(client).publish(messages).refused
    assert (refusal.message, refusal.final) == (messages[3], True)
    assert code in refusal.reason
    assert sorted(set(client.taken)) == [f"It is {n}." for n in (0, 1, 2, 4)]


@pytest.mark.parametrize(
    "code", ["AuthorizationError", "KMSAccessDenied", "KMSDisabled", "NotFound", "Throttled", "EndpointDisabled"]
)
def test_rule_29_authorization_encryption_and_a_missing_topic_are_no_fault_of_a_message(code: str) -> None:
    """Though SNS calls them the sender's fault. As a refusal of the whole call they are raised."""
    (refusal,) = topic(Sns(invalid={0: code})).publish([message(0)]).refused
    assert not refusal.final
    with pytest.raises(ClientError):
        topic(Sns(invalid={0: code}, whole=True)).publish([message(0), message(1)])


def test_rule_29_a_stub_has_nothing_of_what_was_refused() -> None:
    """Plain text, no structure, no subject, and of the attributes those that cannot be at fault: filters by type and
    severity still let it pass."""
    client = Sns()
    assert topic(client).publish_stub(message(1, device="\x1b[31mäd"), "The whole lies there.") is None
    (entry,) = client.batches[0]
    assert {*entry} == {"Id", "Message", "MessageAttributes"}
    attributes = {name: value["StringValue"] for name, value in entry["MessageAttributes"].items()}
    assert attributes == {
        "type": "anomaly.sample",
        "severity": "high",
        "filterseverity": "high",
        "state": "sample",
        "schema": "urn:s",
        "undelivered": "m1",
    }


def test_a_message_is_for_machines_and_for_people() -> None:
    """The event as it was rendered for queues, the text for e-mail, its sentence for phones; attributes to filter."""
    client = Sns()
    topic(client).publish([message(3, '{"a": "ä"}', "HIGH: d at noon\nToo hot.\nChart: https://…")])
    entry = client.batches[0][0]
    assert entry["MessageStructure"] == "json"
    assert json.loads(entry["Message"]) == {
        "default": '{"a": "ä"}',
        "email": "HIGH: d at noon\nToo hot.\nChart: https://…",
        "sms": "Too hot.",
    }
    assert {name: value["StringValue"] for name, value in entry["MessageAttributes"].items()} == {
        "type": "anomaly.sample",
        "severity": "high",
        "filterseverity": "high",
        "device": "d3",
        "state": "sample",
        "schema": "urn:s",
    }
    assert {value["DataType"] for value in entry["MessageAttributes"].values()} == {"String"}
    assert "high" in entry["Subject"]
    assert len(entry["Subject"]) <= 100
    assert entry["Subject"].isascii()


@pytest.mark.parametrize(
    ("age_s", "late"),
    [
        (-5.0, ""),
        (600.0, ""),
        (601.0, "Late: this happened 10 min 1 s ago.\n"),
        (7300.0, "Late: this happened 2 h 1 min ago.\n"),
    ],
)
def test_what_is_published_long_after_it_happened_is_marked(age_s: float, late: str) -> None:
    """For filters and for people; machines get the stored body at any time."""
    client = Sns()
    body = '{"time":"2026-07-25T14:25:00Z"}'
    told = message(3, body, "HIGH: d at noon\nToo hot.\nChart: https://…")
    Topic(cast("Any", client), "arn", lambda: 1_784_989_500.0 + age_s).publish([told])
    entry = client.batches[0][0]
    said = json.loads(entry["Message"])
    assert said["default"] == body
    assert (said["email"], said["sms"]) == (late + told.text, late + "Too hot.")
    attributes = {name: value["StringValue"] for name, value in entry["MessageAttributes"].items()}
    assert attributes == {**told.attributes, **({"stale": "true"} if late else {})}


def test_an_error_of_the_call_is_raised() -> None:
    """What was taken then is unknown: the committer sends again, and subscribers compare the id."""

    class Down:
        def publish_batch(self, **_: Any) -> dict[str, Any]:
            raise ConnectionError("down")

    with pytest.raises(ConnectionError):
        Topic(cast("Any", Down()), "arn").publish([message(1)])
