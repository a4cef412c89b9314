"""Publishing in batches and in order, against a client that may refuse."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reporting.message import MAX_BYTES, Message
from reporting.sinks.topic import Topic

SNS_BYTES = 256 * 1024


def message(n: int, body: str = "{}", text: str = "") -> Message:
    return Message(
        f"m{n}", "anomaly.sample", "high", "d", "sample", "urn:s", body, text or f"HIGH: d\nIt is {n}.\nmore"
    )


class Sns:
    """Takes batches as SNS does, except the messages, by number, that it shall refuse."""

    def __init__(self, *refused: int) -> None:
        self.refused = list(refused)
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
            said = json.loads(entry["Message"])["sms"]
            number = int(said.removeprefix("It is ").rstrip(".")) if said.startswith("It is") else -1
            if number in self.refused:
                self.refused.remove(number)
                failed.append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
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
    assert topic(client).publish([message(n) for n in range(count)]) == []
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
    assert topic(client).publish([message(n, body) for n, body in enumerate(contents)]) == []
    assert client.taken == [f"It is {n}." for n in range(len(contents))]


def test_what_is_refused_is_returned_and_nothing_is_sent_past_it() -> None:
    """Messages keep the order of what happened."""
    client, messages = Sns(13, 17), [message(n) for n in range(35)]
    rest = topic(client).publish(messages)
    assert rest == [messages[13], messages[17], *messages[20:]]
    assert len(client.batches) == 2
    assert topic(client).publish(rest) == []
    assert sorted(client.taken) == sorted(f"It is {n}." for n in range(35))
    assert client.taken[18:] == [f"It is {n}." for n in (13, 17, *range(20, 35))]


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
        "device": "d",
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
