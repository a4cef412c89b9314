"""What the readers do next."""

from __future__ import annotations

from consumer.stream.agenda import Agenda, Due


def taken(agenda: Agenda, now: float) -> list[str | None]:
    """All that is due, in order."""
    found: list[str | None] = []
    for _ in range(100):
        due = agenda.take(now)
        if isinstance(due, Due):
            found.append(due.shard)
        elif due != now:
            return found
    raise AssertionError("it does not come to an end")


def test_nothing_waits_in_a_new_one() -> None:
    """Neither a shard nor a time."""
    assert Agenda().take(0.0) is None


def test_shards_are_read_in_order_of_time() -> None:
    """Not before their time; what is due at once is served in the order in which it came."""
    agenda = Agenda()
    for shard, at in (("late", 3.0), ("b", 1.0), ("a", 1.0)):
        agenda.read(shard, at)
    assert agenda.take(0.5) == 1.0
    assert taken(agenda, 1.0) == ["b", "a"]
    assert agenda.take(2.0) == 3.0
    assert taken(agenda, 3.0) == ["late"]
    assert agenda.take(3.0) is None


def test_only_one_listing_waits_the_earliest() -> None:
    """Every shard that ends asks for one, and DescribeStream allows ten calls a second."""
    agenda = Agenda()
    for at in (10.0, 2.0, 5.0, 2.0):
        agenda.list(at)
    assert taken(agenda, 1.0) == []
    assert taken(agenda, 20.0) == [None]
    agenda.list(30.0)
    assert taken(agenda, 30.0) == [None]


def test_a_shard_that_waits_is_hastened_and_still_read_once() -> None:
    """One that is being read is not: two threads must never read the same shard."""
    agenda = Agenda()
    agenda.read("s", 30.0)
    agenda.hasten("s", 2.0)
    agenda.hasten("s", 5.0)
    agenda.hasten("read by a thread", 1.0)
    assert taken(agenda, 1.0) == []
    assert taken(agenda, 2.0) == ["s"]
    assert taken(agenda, 40.0) == []


def test_a_listing_that_an_earlier_one_replaced_holds_up_no_shard() -> None:
    """What is left of it in the queue is passed over."""
    agenda = Agenda()
    agenda.list(5.0)
    agenda.list(1.0)
    agenda.read("s", 6.0)
    assert taken(agenda, 2.0) == [None]
    assert taken(agenda, 6.0) == ["s"]
