"""How much each shard may be read (rule 6), against what a source may hold."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.intake.credit import AHEAD_S, PAGE, TOTAL, Credit


def test_the_bound_is_divided_over_the_shards() -> None:
    """But a shard always has room for a page."""
    assert Credit().grants({"a": 0.0}, {"a": 0.0}, idle=True) == {"a": TOTAL}
    four = dict.fromkeys("abcd", 0.0)
    assert Credit().grants(four, four, idle=True) == dict.fromkeys("abcd", TOTAL // 4)
    many = {f"s{k}": 0.0 for k in range(700)}
    assert set(Credit().grants(many, many, idle=True).values()) == {PAGE}
    assert Credit().grants({}, {}, idle=True) == {}


def test_credit_comes_back_when_records_leave_into_a_commit() -> None:
    """Not when they are processed, and not before the commit is cut."""
    credit, at = Credit(), {"a": 0.0}
    credit.grants(at, at, idle=True)
    credit.delivered("a", TOTAL)
    assert credit.grants(at, at, idle=False) == {}
    credit.processed("a", 5000)
    assert credit.grants(at, at, idle=False) == {}
    credit.cut()
    assert credit.grants(at, at, idle=False) == {"a": 5000}
    assert credit.grants(at, at, idle=False) == {}


def test_shards_that_came_and_went_leave_nothing_behind() -> None:
    """A stream rolls over every few hours, for ever."""
    credit = Credit()
    for number in range(100):
        at = {f"s{number}": 0.0}
        credit.grants(at, at, idle=True)
        credit.delivered(f"s{number}", 10)
        credit.close(f"s{number}")
        credit.processed(f"s{number}", 10)
        credit.cut()
    assert [len(kept) for kept in vars(credit).values()] == [0, 0, 0]


def test_a_shard_far_ahead_of_the_lowest_hold_is_not_read() -> None:
    """Two minutes of stamps; what it had is taken back, and given again when the others have followed."""
    credit = Credit()
    credit.grants({"a": 0.0, "b": 0.0}, {"a": 0.0, "b": 0.0}, idle=True)
    ahead = {"a": 0.0, "b": AHEAD_S + 1}
    assert credit.grants(ahead, ahead, idle=True) == {"b": -TOTAL // 2}
    at_the_limit = {"a": 0.0, "b": AHEAD_S}
    assert credit.grants(at_the_limit, at_the_limit, idle=True) == {"b": TOTAL // 2}


def test_an_idle_shard_does_not_hold_back_the_others() -> None:
    """Its hold follows the clock by its promise, whatever its last record."""
    credit = Credit()
    assert credit.grants({"a": 0.0, "b": 5000.0}, {"a": 4990.0, "b": 5000.0}, idle=True)["b"] > 0


def test_the_shard_that_holds_the_others_always_gets_a_page() -> None:
    """Even beyond its share: the merge would wait for a record that it does not allow to be read."""
    credit, at = Credit(), {"a": 0.0, "b": 1.0}
    credit.grants(at, at, idle=True)
    for shard in at:
        credit.delivered(shard, TOTAL // 2)
    assert credit.grants(at, at, idle=False) == {}
    assert credit.grants(at, at, idle=True) == {"a": PAGE}


def test_a_small_change_is_not_granted_unless_the_shard_has_nothing() -> None:
    """A grant a record would be a call a record."""
    credit, at = Credit(), {"a": 0.0}
    credit.grants(at, at, idle=True)
    credit.delivered("a", 10)
    credit.processed("a", 10)
    credit.cut()
    assert credit.grants(at, at, idle=True) == {}
    credit.delivered("a", 190)
    credit.processed("a", 190)
    credit.cut()
    assert credit.grants(at, at, idle=True) == {"a": 200}


def test_a_shard_that_was_read_to_its_end_is_forgotten() -> None:
    """One of its name would begin anew."""
    credit, at = Credit(), {"a": 0.0}
    credit.grants(at, at, idle=True)
    credit.close("a")
    credit.close("never seen")
    assert credit.grants(at, at, idle=True) == {"a": TOTAL}


actions = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3000), st.booleans(), st.booleans()), max_size=60)


@settings(deadline=None, max_examples=100)
@given(actions)
def test_what_is_held_stays_bounded_and_reading_never_stops_for_good(steps: list[tuple[str, int, bool, bool]]) -> None:
    """A source that delivers all it may, a lane that processes and commits now and then."""
    credit, at = Credit(), dict.fromkeys("abc", 0.0)
    allowed, waiting = dict.fromkeys("abc", 0), dict.fromkeys("abc", 0)
    for shard, wanted, process, cut in steps:
        for name, change in credit.grants(at, at, idle=False).items():
            allowed[name] += change
        delivered = min(wanted, allowed[shard])
        assert delivered >= 0
        if delivered:
            credit.delivered(shard, delivered)
            allowed[shard] -= delivered
            waiting[shard] += delivered
        assert waiting[shard] <= TOTAL // 3
        if process:
            credit.processed(shard, waiting[shard])
            waiting[shard] = 0
        if cut:
            credit.cut()
    for shard in "abc":
        credit.processed(shard, waiting[shard])
    credit.cut()
    for name, change in credit.grants(at, at, idle=False).items():
        allowed[name] += change
    assert all(records > TOTAL // 3 - 200 for records in allowed.values())
