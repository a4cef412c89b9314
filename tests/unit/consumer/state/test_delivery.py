"""Each message is taken, carried or set aside, and one never holds up the others (rule 29)."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from consumer.errors import Retry
from consumer.state.delivery import Delivered, Delivery
from reporting.message import Message
from reporting.sinks.archive import StoredObject
from reporting.sinks.publisher import Answer, Refusal


def message(name: str, device: str = "a", episode: str | None = None) -> Message:
    data = {} if episode is None else {"episode": episode}
    body = json.dumps({"id": name, "time": "2026-07-25T14:25:00Z", "data": data})
    return Message(name, "anomaly.opened", "high", device, "opened", "urn:s", body, f"HIGH: {device}\nText")


class Sinks:
    """Publisher and bucket. ``in_passing`` and ``final``: the ids that are refused; ``stubs``: the ids whose stub is
    refused too, and whether for good; ``down``: how often a call fails first, by its name."""

    name = "topic"
    bucket = "results"

    def __init__(self) -> None:
        self.in_passing: set[str] = set()
        self.final: set[str] = set()
        self.stubs: dict[str, bool] = {}
        self.down: dict[str, int] = {}
        self.done: list[str] = []
        self.objects: dict[str, bytes] = {}

    def _call(self, name: str) -> None:
        if self.down.get(name, 0) > 0:
            self.down[name] -= 1
            raise Retry(f"{name} is down")

    def put(self, item: StoredObject) -> None:
        self._call("put")
        self.objects[item.key] = item.body

    def publish(self, messages: Sequence[Message]) -> Answer:
        self._call("publish")
        refused: dict[str, Refusal] = {}
        held = []
        for each in messages:
            if each.device in refused:
                held.append(each)
            elif each.id in self.in_passing | self.final:
                final = each.id in self.final
                refused[each.device] = Refusal(each, "InvalidParameter" if final else "Throttled", final)
            else:
                self.done.append(each.id)
        return Answer(tuple(refused.values()), tuple(held))

    def publish_stub(self, message: Message, text: str) -> Refusal | None:
        self._call("stub")
        if message.id in self.stubs:
            return Refusal(message, "no", final=self.stubs[message.id])
        assert text.isascii()
        assert message.id in text
        assert any(f"s3://results/{key}" in text for key in self.objects)
        self.done.append(f"stub of {message.id}")
        return None


@pytest.fixture
def sinks() -> Sinks:
    """Sinks that take everything."""
    return Sinks()


MESSAGES = [message(f"{device}{n}", device) for n in range(3) for device in "ab"]


def delivered(sinks: Sinks, messages: list[Message], episodes: Sequence[str] = ()) -> Delivered:
    delivery = Delivery(sinks, sinks, messages, episodes)
    for _ in range(20):
        try:
            delivery.run()
        except Retry:
            continue
        return delivery.result
    raise AssertionError("it does not come to an end")


def test_rule_29_what_is_refused_in_passing_is_carried_with_all_later_ones_of_its_device(sinks: Sinks) -> None:
    """In their order; nothing else waits."""
    sinks.in_passing = {"a1"}
    result = delivered(sinks, MESSAGES)
    assert [each.id for each in result.carried] == ["a1", "a2"]
    assert (result.why, result.aside, result.complete) == ("Throttled", (), False)
    assert sinks.done == ["a0", "b0", "b1", "b2"]


@pytest.mark.parametrize("down", [{}, {"put": 2}, {"stub": 2}, {"publish": 1, "put": 1, "stub": 1}])
def test_bug_37_a_message_that_is_refused_for_good_is_set_aside(sinks: Sinks, down: dict[str, int]) -> None:
    """Its whole lies in the bucket before the stub says so, the stub goes before its device's later ones, and
    whatever fails meanwhile is tried again."""
    sinks.final, sinks.down = {"a1"}, down
    result = delivered(sinks, MESSAGES)
    assert result.carried == ()
    assert not result.complete
    ((aside),) = result.aside
    assert (aside.message.id, aside.reason) == ("a1", "InvalidParameter")
    assert aside.place == "s3://results/battery-undelivered/dt=2026-07-25/a1.json"
    stored = json.loads(sinks.objects["battery-undelivered/dt=2026-07-25/a1.json"])
    assert stored["event"] == json.loads(MESSAGES[2].body)
    assert [name for name in dict.fromkeys(sinks.done) if "a" in name and "b" not in name.split()[-1]] == [
        "a0",
        "stub of a1",
        "a2",
    ]
    assert {"b0", "b1", "b2"} <= {*sinks.done}


def test_rule_29_if_its_stub_is_refused_too_the_rest_of_its_episode_goes_aside_with_it(sinks: Sinks) -> None:
    """Without a stub; the device's other messages are published."""
    messages = [message("x", episode="e"), message("y"), message("z", episode="e"), message("o", "b", episode="f")]
    sinks.final, sinks.stubs = {"x"}, {"x": True}
    result = delivered(sinks, messages)
    assert result.episodes == {"e"}
    assert [each.message.id for each in result.aside] == ["x", "z"]
    assert sinks.done == ["o", "y"]
    assert len(sinks.objects) == 2
    later = delivered(sinks, [message("later", episode="e")], episodes=["e"])
    assert [each.message.id for each in later.aside] == ["later"]
    assert later.episodes == frozenset()
    assert sinks.done == ["o", "y"]


def test_rule_29_a_stub_that_is_refused_in_passing_carries_the_message(sinks: Sinks) -> None:
    """The next commit tries both again."""
    sinks.final, sinks.stubs = {"a1"}, {"a1": False}
    result = delivered(sinks, MESSAGES)
    assert [each.id for each in result.carried] == ["a1", "a2"]
    assert result.aside == ()


def test_all_taken_is_complete(sinks: Sinks) -> None:
    """Then the windows may prove it."""
    assert delivered(sinks, MESSAGES) == Delivered()
    assert Delivered().complete
